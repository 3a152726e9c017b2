/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two ways for pixels to get into a window. By OpenGL: what has changed goes into a texture, and
 * the texture is drawn, whole, since a window's old contents are not kept. In memory: SDL shares a
 * surface with the window system, and sends the parts of it that have changed; without a GPU this
 * is the faster way.
 */
#include "ui/sdl_internal.h"
#include "util/log.h"

struct canvas {
    SDL_Window *window;
    SDL_Renderer *renderer; /* NULL: in memory */
    SDL_Texture *texture;
    int width, height; /* of the texture */
    bool has_failed;   /* and has told why */
};

enum { RECTS_MAX = 16 }; /* more are one around them */

void canvas_free(struct canvas *canvas)
{
    if (!canvas)
        return;
    if (canvas->texture)
        SDL_DestroyTexture(canvas->texture);
    if (canvas->renderer)
        SDL_DestroyRenderer(canvas->renderer);
    g_free(canvas);
}

/* One that is OpenGL and no disguise of a software renderer's. */
static SDL_Renderer *make_renderer(SDL_Window *window)
{
    SDL_SetHint(SDL_HINT_RENDER_DRIVER, "opengl");
    return SDL_CreateRenderer(window, -1, SDL_RENDERER_ACCELERATED);
}

struct canvas *canvas_new(SDL_Window *window, bool wants_gl, GError **error)
{
    struct canvas *canvas = g_new0(struct canvas, 1);

    canvas->window = window;
    if (wants_gl) {
        canvas->renderer = make_renderer(window);
        if (canvas->renderer)
            return canvas;
        log_warn("-display sdl,gl=on: there is no OpenGL for windows here (%s): drawn without",
                 SDL_GetError());
    }
    /* Else SDL draws this surface by OpenGL again, whole. */
    SDL_SetHint(SDL_HINT_FRAMEBUFFER_ACCELERATION, "0");
    if (SDL_GetWindowSurface(window))
        return canvas;
    sdl_fail(error, "no surface for a window");
    canvas_free(canvas);
    return NULL;
}

/* Once: what is wrong stays wrong, and there are 60 pictures a second. */
static void fail(struct canvas *canvas, const char *what, const char *why)
{
    if (!canvas->has_failed)
        log_warn("-display sdl: %s: %s", what, why);
    canvas->has_failed = true;
}

static const pixman_box32_t *rects_of(pixman_region32_t *region, int *ret_nr)
{
    const pixman_box32_t *boxes = pixman_region32_rectangles(region, ret_nr);

    if (*ret_nr <= RECTS_MAX)
        return boxes;
    *ret_nr = 1;
    return pixman_region32_extents(region);
}

/* ---- OpenGL ---------------------------------------------------------------------------------- */

/* Whether there is a texture of the picture's size; *ret_is_new: nothing is in it. */
static bool have_texture(struct canvas *canvas, pixman_image_t *picture, bool *ret_is_new)
{
    const int width = pixman_image_get_width(picture), height = pixman_image_get_height(picture);

    *ret_is_new = !canvas->texture || canvas->width != width || canvas->height != height;
    if (!*ret_is_new)
        return true;
    if (canvas->texture)
        SDL_DestroyTexture(canvas->texture);
    SDL_SetHint(SDL_HINT_RENDER_SCALE_QUALITY, "linear");
    canvas->texture = SDL_CreateTexture(canvas->renderer, SDL_PIXELFORMAT_RGB888,
                                        SDL_TEXTUREACCESS_STREAMING, width, height);
    canvas->width = width;
    canvas->height = height;
    if (!canvas->texture)
        fail(canvas, "no texture for the picture", SDL_GetError());
    return canvas->texture;
}

static void upload(struct canvas *canvas, pixman_image_t *picture, const SDL_Rect *rect)
{
    const int stride = pixman_image_get_stride(picture);
    const uint32_t *data = pixman_image_get_data(picture);

    SDL_UpdateTexture(canvas->texture, rect,
                      data + (size_t)rect->y * ((size_t)stride / 4) + (size_t)rect->x, stride);
}

static void draw_by_gl(struct canvas *canvas, pixman_image_t *picture, const struct fit *fit,
                       pixman_region32_t *damage, bool is_all) REQUIRES(bql)
{
    const SDL_Rect at = { fit->x, fit->y, fit->width, fit->height };
    bool is_new = false, has_texture = picture && have_texture(canvas, picture, &is_new);
    int nr;
    const pixman_box32_t *boxes = rects_of(damage, &nr);

    if (has_texture && (is_new || is_all)) {
        upload(canvas, picture, &(SDL_Rect){ 0, 0, canvas->width, canvas->height });
    } else if (has_texture) {
        for (int i = 0; i < nr; i++)
            upload(canvas, picture,
                   &(SDL_Rect){ boxes[i].x1, boxes[i].y1, boxes[i].x2 - boxes[i].x1,
                                boxes[i].y2 - boxes[i].y1 });
    }
    bql_unlock();
    SDL_SetRenderDrawColor(canvas->renderer, 0, 0, 0, SDL_ALPHA_OPAQUE);
    SDL_RenderClear(canvas->renderer);
    if (has_texture)
        SDL_RenderCopy(canvas->renderer, canvas->texture, NULL, &at);
    SDL_RenderPresent(canvas->renderer);
    bql_lock();
}

/* ---- In memory ------------------------------------------------------------------------------- */

/* 0: none of pixman's. */
static pixman_format_code_t format_of(const SDL_Surface *surface)
{
    switch (surface->format->format) {
    case SDL_PIXELFORMAT_RGB888:
    case SDL_PIXELFORMAT_ARGB8888:
        return PIXMAN_x8r8g8b8;
    case SDL_PIXELFORMAT_BGR888:
    case SDL_PIXELFORMAT_ABGR8888:
        return PIXMAN_x8b8g8r8;
    case SDL_PIXELFORMAT_RGB565:
        return PIXMAN_r5g6b5;
    default:
        return 0;
    }
}

/* The window's surface as an image. */
static pixman_image_t *target_of(struct canvas *canvas)
{
    SDL_Surface *surface = SDL_GetWindowSurface(canvas->window); /* another, after a new size */
    const pixman_format_code_t format = surface ? format_of(surface) : 0;

    if (!surface)
        fail(canvas, "no surface for a window", SDL_GetError());
    else if (!format)
        fail(canvas, "windows have colours of an unknown kind",
             SDL_GetPixelFormatName(surface->format->format));
    return format ? pixman_image_create_bits_no_clear(format, surface->w, surface->h,
                                                      surface->pixels, surface->pitch)
                  : NULL;
}

/* The picture as it is to be at @fit: another image of the same pixels, whose filter is ours. */
static pixman_image_t *scaled(pixman_image_t *picture, const struct fit *fit)
{
    const int width = pixman_image_get_width(picture), height = pixman_image_get_height(picture);
    pixman_image_t *image = pixman_image_create_bits_no_clear(PIXMAN_x8r8g8b8, width, height,
                                                              pixman_image_get_data(picture),
                                                              pixman_image_get_stride(picture));
    pixman_transform_t transform;

    if (!image || (fit->width == width && fit->height == height))
        return image;
    pixman_transform_init_scale(&transform, pixman_double_to_fixed((double)width / fit->width),
                                pixman_double_to_fixed((double)height / fit->height));
    pixman_image_set_transform(image, &transform);
    pixman_image_set_filter(image, PIXMAN_FILTER_BILINEAR, NULL, 0);
    pixman_image_set_repeat(image, PIXMAN_REPEAT_PAD);
    return image;
}

static SDL_Rect copy_part(pixman_image_t *from, pixman_image_t *to, const struct fit *fit,
                          const pixman_box32_t *box)
{
    const struct fit part = { box->x1, box->y1, box->x2 - box->x1, box->y2 - box->y1 };
    const struct fit at =
        fit_part(fit, pixman_image_get_width(from), pixman_image_get_height(from), &part);

    pixman_image_composite32(PIXMAN_OP_SRC, from, NULL, to, at.x - fit->x, at.y - fit->y, 0, 0,
                             at.x, at.y, at.width, at.height);
    return (SDL_Rect){ at.x, at.y, at.width, at.height };
}

static void fill_black(pixman_image_t *image)
{
    const pixman_box32_t all = { 0, 0, pixman_image_get_width(image),
                                 pixman_image_get_height(image) };

    pixman_image_fill_boxes(PIXMAN_OP_SRC, image, &(pixman_color_t){ .alpha = 0xffff }, 1, &all);
}

static void draw_in_memory(struct canvas *canvas, pixman_image_t *picture, const struct fit *fit,
                           pixman_region32_t *damage, bool is_all) REQUIRES(bql)
{
    pixman_image_t *target = target_of(canvas);
    pixman_image_t *from = target && picture && fit->width ? scaled(picture, fit) : NULL;
    SDL_Rect changed[RECTS_MAX];
    int nr = 0;

    if (is_all && target)
        fill_black(target);
    if (is_all && from) {
        copy_part(
            from, target, fit,
            &(pixman_box32_t){ 0, 0, pixman_image_get_width(from), pixman_image_get_height(from) });
    } else if (from) {
        const pixman_box32_t *boxes = rects_of(damage, &nr);

        for (int i = 0; i < nr; i++)
            changed[i] = copy_part(from, target, fit, &boxes[i]);
    }
    if (from)
        pixman_image_unref(from);
    if (!target)
        return;
    bql_unlock();
    if (is_all)
        SDL_UpdateWindowSurface(canvas->window);
    else if (nr)
        SDL_UpdateWindowSurfaceRects(canvas->window, changed, nr);
    bql_lock();
    pixman_image_unref(target);
}

void canvas_draw(struct canvas *canvas, pixman_image_t *picture, const struct fit *fit,
                 pixman_region32_t *damage, bool is_all)
{
    if (canvas->renderer)
        draw_by_gl(canvas, picture, fit, damage, is_all);
    else
        draw_in_memory(canvas, picture, fit, damage, is_all);
}
