#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Windows as people have them: on an X server of its own, keys and mouse by the XTEST extension.

    windows.py build/tests/ui/screens

Output: the Test Anything Protocol.
"""

import os
import sys
import tempfile
import traceback

import stage
from stage import Failure, Program, until

EV_KEY, EV_REL, EV_ABS = 1, 2, 3
KEY_A, KEY_LEFTCTRL, KEY_LEFTALT, BTN_LEFT, BTN_RIGHT = 30, 29, 56, 0x110, 0x111
REL_HWHEEL, REL_WHEEL = 6, 8


def equal(got, wanted, what='it'):
    if got != wanted:
        raise Failure(f'{what} is {got}, not {wanted}')


class Desk:
    """The X server as a person sees it, with the program's windows on it."""

    def __init__(self, server, path, *arguments):
        import Xlib.display  # pylint: disable=import-outside-toplevel
        self.display = Xlib.display.Display(server.name)
        self.root = self.display.screen().root
        self.program = Program(path, *arguments, DISPLAY=server.name, SDL_VIDEODRIVER='x11')
        self.usual = None  # the size of a window that fills the screen
        self.program.told += self.program.take('ready')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.display.close()
        if self.program.process.poll() is None:
            self.program.process.kill()
        self.program.end()

    def leave(self):
        self.program.process.stdin.write(b'quit\n')
        status, errors = self.program.end()
        equal(status, 0, 'the exit status')
        return errors

    # ---- Looking

    def windows(self):
        """{title: window} of what is on the screen."""
        found = {}
        self.display.grab_server()  # a window that goes between two of the questions is an error
        try:
            for window in self.root.query_tree().children:
                name = window.get_full_text_property(self.display.intern_atom('_NET_WM_NAME'))
                if name and window.get_attributes().map_state == 2:
                    found[name] = window
        finally:
            self.display.ungrab_server()
            self.display.flush()
        return found

    def window(self, title):
        return until(f'window "{title}"', lambda: self.windows().get(title))

    def wait_for_size(self, window, width, height):
        def has_size():
            geometry = window.get_geometry()
            return (geometry.width, geometry.height) == (width, height)
        until(f'size {width}x{height}', has_size)

    def pixel(self, window, x, y):
        import Xlib.X  # pylint: disable=import-outside-toplevel
        data = window.get_image(x, y, 1, 1, Xlib.X.ZPixmap, 0xffffffff).data
        return data[2] << 16 | data[1] << 8 | data[0]

    def wait_for_pixels(self, window, wanted):
        """@wanted: {(x, y): colour}"""
        got = {}

        def is_there():
            got.update({at: self.pixel(window, *at) for at in wanted})
            return got == wanted
        try:
            until('such pixels', is_there)
        except Failure as failure:
            show = {at: f'{colour:06x}' for at, colour in got.items()}
            raise Failure(f'{failure}: {show}') from None

    def cursor(self):
        """Width, height and first pixel of the cursor that is shown."""
        image = self.display.xfixes_get_cursor_image(self.root)
        return image.width, image.height, image.cursor_image[0]

    # ---- Touching

    def fake(self, kind, detail=0, x=0, y=0):
        from Xlib.ext import xtest  # pylint: disable=import-outside-toplevel
        xtest.fake_input(self.display, kind, detail, x=x, y=y)
        self.display.sync()

    def key(self, name, is_down):
        import Xlib.X  # pylint: disable=import-outside-toplevel
        import Xlib.XK  # pylint: disable=import-outside-toplevel
        code = self.display.keysym_to_keycode(Xlib.XK.string_to_keysym(name))
        self.fake(Xlib.X.KeyPress if is_down else Xlib.X.KeyRelease, code)

    def chord(self, *names):
        for name in names:
            self.key(name, True)
        for name in reversed(names):
            self.key(name, False)

    def button(self, number, is_down):
        import Xlib.X  # pylint: disable=import-outside-toplevel
        self.fake(Xlib.X.ButtonPress if is_down else Xlib.X.ButtonRelease, number)

    def point(self, window, x, y):
        import Xlib.X  # pylint: disable=import-outside-toplevel
        at = self.root.translate_coords(window, 0, 0)
        self.fake(Xlib.X.MotionNotify, x=at.x + x, y=at.y + y)

    def resize(self, window, width, height):
        window.configure(width=width, height=height)
        self.display.sync()

    def be_window_manager(self):
        import Xlib.X  # pylint: disable=import-outside-toplevel
        self.root.change_attributes(event_mask=Xlib.X.SubstructureNotifyMask)
        self.display.sync()

    def obey_full_screen(self, window, is_wanted):
        """What a window manager does when a program asks for that."""
        state = self.display.intern_atom('_NET_WM_STATE')
        full = self.display.intern_atom('_NET_WM_STATE_FULLSCREEN')

        def is_asked_for():
            while self.display.pending_events():
                event = self.display.next_event()
                if getattr(event, 'client_type', 0) == state and full in event.data[1][1:3]:
                    return event.data[1][0] == is_wanted
            return False
        until('wish for the full screen', is_asked_for)
        window.change_property(state, 4, 32, [full] if is_wanted else [])  # 4: ATOM
        if is_wanted:
            self.usual = window.get_geometry()
            window.configure(x=0, y=0, width=1600, height=1200)
        else:
            window.configure(x=self.usual.x, y=self.usual.y, width=self.usual.width,
                             height=self.usual.height)
        self.display.sync()

    def wait_for_focus(self, window):
        until('focus', lambda: getattr(self.display.get_input_focus().focus, 'id', 0) == window.id)


def position(at, size):
    return (2 * at + 1) * 32768 // (2 * size)


# ---- Pictures

def pictures_are_shown(desk):
    title = 'gracevm: a test'
    desk.window(title + ' [the screen is off]')
    desk.program.say('size 0 640 480')
    window = desk.window(title)
    desk.wait_for_size(window, 640, 480)
    desk.program.say('fill 0 0 0 640 480 ff2040')
    desk.wait_for_pixels(window, {(0, 0): 0xff2040, (639, 479): 0xff2040, (320, 240): 0xff2040})
    desk.program.say('fill 0 100 50 3 2 00ff00')
    desk.wait_for_pixels(window, {(100, 50): 0xff00, (102, 51): 0xff00, (103, 50): 0xff2040,
                                  (99, 50): 0xff2040, (100, 52): 0xff2040})
    desk.program.say('size 0 800 600')  # the window follows
    desk.wait_for_size(window, 800, 600)
    desk.wait_for_pixels(window, {(100, 50): 0, (799, 599): 0})
    for i in range(40):  # more than are sent one by one
        desk.program.say(f'fill 0 {i * 20} {i * 15} 10 10 0000{i + 1:02x}')
    desk.wait_for_pixels(window, {(i * 20 + 9, i * 15 + 9): i + 1 for i in range(40)})
    desk.program.say('size 0 0 0')
    desk.wait_for_pixels(desk.window(title + ' [the screen is off]'), {(9, 9): 0})
    equal(desk.leave(), '', 'what was said')


def titles_tell_the_state(desk):
    desk.program.say('size 0 320 200')
    desk.window('gracevm: a test')
    desk.program.say('stopped 1')
    desk.window('gracevm: a test [stopped]')
    desk.program.say('stopped 0')
    desk.window('gracevm: a test')


def other_sizes_scale_and_are_asked_for(desk):
    desk.program.say('size 0 400 300')
    window = desk.window('gracevm: a test')
    desk.wait_for_size(window, 400, 300)
    desk.program.say('fill 0 0 0 400 300 0000ff')
    desk.program.say('fill 0 0 0 200 300 ff0000')
    desk.resize(window, 1000, 600)
    equal([line for line in desk.program.take('prefer 0 1000 600') if 'prefer' in line], [])
    # Twice as large, with bars of 100 on both sides.
    desk.wait_for_pixels(window, {(99, 300): 0, (100, 0): 0xff0000, (498, 599): 0xff0000,
                                  (501, 0): 0x0000ff, (899, 599): 0x0000ff, (900, 300): 0})
    desk.program.say('fill 0 200 0 200 300 00ff00')  # a part of it, scaled
    desk.wait_for_pixels(window, {(498, 0): 0xff0000, (502, 0): 0xff00, (899, 599): 0xff00,
                                  (900, 300): 0})
    desk.program.say('size 0 640 480')  # the guest would rather have something else
    desk.program.say('fill 0 0 0 640 480 ffffff')
    desk.wait_for_pixels(window, {(99, 300): 0, (100, 0): 0xffffff, (899, 599): 0xffffff})
    desk.wait_for_size(window, 1000, 600)
    desk.program.say('size 0 1000 600')
    desk.program.say('fill 0 0 0 1000 600 123456')
    desk.wait_for_pixels(window, {(0, 0): 0x123456, (999, 599): 0x123456})
    desk.program.say('size 0 500 400')  # and now the window follows again
    desk.wait_for_size(window, 500, 400)
    desk.program.say('save 0 /dev/null')  # some turns of the loop later nothing was asked for
    equal([line for line in desk.program.take('saved') if 'prefer' in line], [])


def further_screens_come_and_go(desk):
    desk.program.say('size 0 320 200')
    desk.window('gracevm: a test (gpu0.0)')
    equal(len(desk.windows()), 1, 'the number of windows')
    desk.program.say('size 1 400 300')
    desk.program.say('fill 1 0 0 400 300 00aa00')
    second = desk.window('gracevm: a test (gpu0.1)')
    desk.wait_for_pixels(second, {(0, 0): 0xaa00, (399, 299): 0xaa00})
    desk.program.say('size 1 0 0')
    until('single window', lambda: len(desk.windows()) == 1)
    desk.program.say('size 1 300 400')
    desk.program.say('fill 1 0 0 300 400 0000aa')
    second = desk.window('gracevm: a test (gpu0.1)')
    desk.wait_for_size(second, 300, 400)
    desk.wait_for_pixels(second, {(0, 0): 0xaa, (299, 399): 0xaa})
    equal(desk.leave(), '', 'what was said')


def nobody_draws_for_a_hidden_window(desk):
    desk.program.say('size 0 320 200')
    window = desk.window('gracevm: a test')
    desk.program.take('watch 0 1')
    desk.wait_for_focus(window)
    window.unmap()
    desk.display.sync()
    desk.program.take('watch 0 0')
    desk.program.say('size 0 400 300')
    desk.program.say('fill 0 0 0 400 300 654321')
    window.map()
    desk.display.sync()
    desk.program.take('watch 0 1')
    desk.wait_for_size(window, 400, 300)
    desk.wait_for_pixels(window, {(0, 0): 0x654321, (399, 299): 0x654321})


def full_screen_fills_it(desk):
    desk.program.say('size 0 400 300')
    window = desk.window('gracevm: a test')
    desk.wait_for_focus(window)
    desk.program.say('fill 0 0 0 400 300 abcdef')
    desk.be_window_manager()
    desk.chord('Control_L', 'Alt_L', 'f')
    desk.obey_full_screen(window, True)
    before = desk.program.take('prefer 0 1600 1200')
    equal([line for line in before if line.startswith(f'event {EV_KEY} 33 ')], [], 'F')
    desk.wait_for_pixels(window, {(0, 0): 0xabcdef, (1599, 0): 0xabcdef, (1599, 1199): 0xabcdef})
    desk.chord('Control_L', 'Alt_L', 'f')
    desk.obey_full_screen(window, False)
    desk.wait_for_size(window, 400, 300)
    desk.wait_for_pixels(window, {(0, 0): 0xabcdef, (399, 299): 0xabcdef})


# ---- Hands

def keys_reach_the_guest(desk):
    desk.program.say('size 0 320 200')
    desk.wait_for_focus(desk.window('gracevm: a test'))
    desk.key('a', True)
    equal(desk.program.events((EV_KEY, KEY_A, 1)), [(EV_KEY, KEY_A, 1)], 'the input')
    desk.key('a', False)
    equal(desk.program.events((EV_KEY, KEY_A, 0)), [(EV_KEY, KEY_A, 0)], 'the input')
    codes = {'Return': 28, 'Escape': 1, 'BackSpace': 14, 'Tab': 15, 'space': 57, 'F1': 59,
             'F12': 88, 'Shift_L': 42, 'Control_L': 29, 'Control_R': 97, 'Up': 103, 'Left': 105,
             'Home': 102, 'Delete': 111, 'Page_Down': 109, 'KP_Add': 78, 'minus': 12, 'comma': 51,
             'semicolon': 39, 'Super_L': 125, 'Menu': 127, '1': 2, '0': 11, 'z': 44}
    for name, code in codes.items():
        desk.chord(name)
        equal(desk.program.events((EV_KEY, code, 0)), [(EV_KEY, code, 1), (EV_KEY, code, 0)], name)


def nothing_stays_down_without_focus(desk):
    desk.program.say('size 0 320 200')
    window = desk.window('gracevm: a test')
    desk.wait_for_focus(window)
    desk.point(window, 50, 60)
    desk.key('a', True)
    desk.program.events((EV_KEY, KEY_A, 1))
    desk.button(1, True)
    desk.program.events((EV_KEY, BTN_LEFT, 1))
    desk.root.set_input_focus(1, 0)  # RevertToPointerRoot, CurrentTime
    desk.display.sync()
    equal([event for event in desk.program.events((EV_KEY, BTN_LEFT, 0)) if event[0] == EV_KEY],
          [(EV_KEY, KEY_A, 0), (EV_KEY, BTN_LEFT, 0)], 'the input')
    desk.key('a', False)
    desk.button(1, False)


def grabbed_windows_say_so(desk):
    desk.program.say('size 0 320 200')
    window = desk.window('gracevm: a test')
    desk.wait_for_focus(window)
    desk.chord('Control_L', 'Alt_L', 'g')
    desk.window('gracevm: a test - press Ctrl-Alt-G to release the mouse')
    # The guest has seen Ctrl and Alt, which are up again, and no G.
    equal(sorted(desk.program.events((EV_KEY, KEY_LEFTALT, 0))),
          [(EV_KEY, KEY_LEFTCTRL, 0), (EV_KEY, KEY_LEFTCTRL, 1),
           (EV_KEY, KEY_LEFTALT, 0), (EV_KEY, KEY_LEFTALT, 1)], 'the input')
    desk.chord('Control_L', 'Alt_L', 'g')
    desk.window('gracevm: a test')


def the_pointer_is_where_it_points(desk):
    desk.program.say('size 0 400 300')
    window = desk.window('gracevm: a test')
    desk.wait_for_size(window, 400, 300)
    for x, y in ((1, 2), (399, 299), (0, 0), (200, 150)):
        desk.point(window, 77, 88)  # elsewhere, so that the next one is a move
        desk.program.events((EV_ABS, 1, position(88, 300)))
        desk.point(window, x, y)
        equal(desk.program.events((EV_ABS, 1, position(y, 300)))[-2], (EV_ABS, 0, position(x, 400)),
              f'{x} of 400')
    desk.resize(window, 1000, 600)  # the picture from 100 to 900
    desk.program.take('prefer 0 1000 600')
    for x, wanted in ((100, position(0, 800)), (500, position(400, 800)), (40, position(0, 800)),
                      (960, position(799, 800))):
        desk.point(window, 321, 321)
        desk.program.events((EV_ABS, 1, position(321, 600)))
        desk.point(window, x, 300)
        equal(desk.program.events((EV_ABS, 1, position(300, 600)))[-2], (EV_ABS, 0, wanted),
              f'{x} of 1000')


def buttons_and_wheel_reach_the_guest(desk):
    desk.program.say('size 0 400 300')
    window = desk.window('gracevm: a test')
    desk.wait_for_size(window, 400, 300)
    desk.point(window, 50, 60)
    desk.point(window, 20, 30)  # a move, wherever it was before
    desk.program.events((EV_ABS, 1, position(30, 300)))
    for button, code in ((1, BTN_LEFT), (3, BTN_RIGHT), (2, 0x112)):
        desk.button(button, True)
        equal(desk.program.events((EV_KEY, code, 1))[-1], (EV_KEY, code, 1))
        desk.button(button, False)
        equal(desk.program.events((EV_KEY, code, 0))[-1], (EV_KEY, code, 0))
    for button, code, value in ((4, REL_WHEEL, 1), (5, REL_WHEEL, -1), (6, REL_HWHEEL, -1),
                                (7, REL_HWHEEL, 1)):
        desk.button(button, True)
        desk.button(button, False)
        equal(desk.program.events((EV_REL, code, value))[-1], (EV_REL, code, value))


def the_guests_cursor_is_the_hosts(desk):
    desk.program.say('size 0 400 300')
    window = desk.window('gracevm: a test')
    desk.wait_for_size(window, 400, 300)
    desk.display.xfixes_query_version()
    desk.point(window, 50, 60)
    desk.point(window, 40, 50)  # a move, wherever it was before
    desk.program.events((EV_ABS, 1, position(50, 300)))
    desk.program.say('cursor 0 24 ffcc8844')
    until('cursor of the guest', lambda: desk.cursor() == (24, 24, 0xffcc8844))
    desk.program.say('cursor 0 0 0')
    until('hidden cursor', lambda: desk.cursor()[2] == 0)
    desk.program.say('cursor 0 16 80402010')
    until('cursor of the guest', lambda: desk.cursor() == (16, 16, 0x80402010))


def closing_is_told(desk):
    import Xlib.protocol.event  # pylint: disable=import-outside-toplevel
    desk.program.say('size 0 320 200')
    window = desk.window('gracevm: a test')
    desk.wait_for_focus(window)
    for _ in range(2):
        window.send_event(Xlib.protocol.event.ClientMessage(
            window=window, client_type=desk.display.intern_atom('WM_PROTOCOLS'),
            data=(32, [desk.display.intern_atom('WM_DELETE_WINDOW'), 0, 0, 0, 0])))
        desk.display.sync()
        equal([line for line in desk.program.take('closed') if line == 'closed'], [])


# ---- Without a window system

def what_is_missing_is_said(path):
    for arguments, variables, wanted in (
            (('0',), {'SDL_VIDEODRIVER': 'dummy'},
             'error: -display sdl: the machine has no screen'),
            (('1',), {}, 'error: -display sdl: no window system: '),
            (('1',), {'SDL_VIDEODRIVER': 'x11', 'DISPLAY': ':65432'},
             'error: -display sdl: no window system: ')):
        program = Program(path, *arguments, **variables)
        status, _ = program.end()
        equal(status, 1, 'the exit status')
        equal(program.told[0][:len(wanted)], wanted, 'the error')


def without_gl_there_is_a_warning_and_a_picture(path):
    with tempfile.TemporaryDirectory() as folder:
        program = Program(path, 'gl', SDL_VIDEODRIVER='dummy')
        program.take('ready')
        program.say('size 0 64 64')
        program.say('fill 0 0 0 64 64 ffffff')
        program.say(f'save 0 {folder}/shot.png')
        program.take('saved')
        equal(os.listdir(folder), ['shot.png'], 'what is in the folder')
        status, errors = program.end()
        equal(status, 0, 'the exit status')
        if 'there is no OpenGL for windows here' not in errors:
            raise Failure(f'it said only: {errors}')


ON_X = [pictures_are_shown, titles_tell_the_state, other_sizes_scale_and_are_asked_for,
        nobody_draws_for_a_hidden_window, full_screen_fills_it, keys_reach_the_guest,
        nothing_stays_down_without_focus, grabbed_windows_say_so, the_pointer_is_where_it_points,
        buttons_and_wheel_reach_the_guest, the_guests_cursor_is_the_hosts, closing_is_told]
ON_X_BY_GL = [pictures_are_shown, other_sizes_scale_and_are_asked_for]
WITHOUT = [what_is_missing_is_said, without_gl_there_is_a_warning_and_a_picture]


def on_x(server, path, test, *arguments):
    with Desk(server, path, *arguments) as desk:
        test(desk)


def tests_of(path, server):
    found = {test.__name__: lambda test=test: on_x(server, path, test) for test in ON_X}
    found['further_screens_come_and_go'] = lambda: on_x(server, path, further_screens_come_and_go,
                                                        2)
    found.update({f'{test.__name__}, by OpenGL': lambda test=test: on_x(server, path, test, 'gl')
                  for test in ON_X_BY_GL})
    found.update({test.__name__: lambda test=test: test(path) for test in WITHOUT})
    return found


def run(tests):
    print(f'1..{len(tests)}', flush=True)
    is_good = True
    for number, (name, test) in enumerate(tests.items(), 1):
        try:
            test()
            result = 'ok'
        except Exception:  # the other tests go on
            print(''.join(f'# {line}\n' for line in traceback.format_exc().splitlines()), end='')
            result = 'not ok'
            is_good = False
        print(f'{result} {number} - {name}', flush=True)
    return is_good


def main():
    reason = stage.why_not()
    if reason:
        print(f'1..0 # SKIP {reason}')
        return 0
    server = stage.Server()
    try:
        wanted = sys.argv[2:]
        tests = {name: test for name, test in tests_of(sys.argv[1], server).items()
                 if not wanted or name in wanted}
        return 0 if run(tests) else 1
    finally:
        server.end()


if __name__ == '__main__':
    sys.exit(main())
