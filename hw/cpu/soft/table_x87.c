/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87: D8-DF, by ModRM (Intel SDM vol. 2, tables ).
 *
 * Also what is in no manual of today, and in all processors: second encodings of FXCH,
 * FCOM, FCOMP and FSTP, FFREEP, and what was of use to an 8087 and a 287 only (FENI,
 * FDISI, FSETPM: they do nothing).
 */
#include "hw/cpu/soft/rows.h"

#define X87(name, kind, ...) ROW(name, kind, ROW_FAULTS, KEPT, HOST, __VA_ARGS__)
#define X87_APPROX(name, kind) ROW(name, kind, ROW_FAULTS, KEPT, APPROX, None)
#define X87_COMPARE(name, kind) ROW(name, kind, ROW_FAULTS, COMPARED, HOST, ST0, STi)
#define X87_MOVE(name, kind, flags) ROW(name, kind, ROW_FAULTS, FLAGS(flags, 0, 0), HOST, ST0, STi)

/* The eight operations of an opcode, with memory. */
#define WITH_FLOAT(form)                                                                           \
    BY_REG(X87("fadd", FADD, form), X87("fmul", FMUL, form), X87("fcom", FCOM, form),              \
           X87("fcomp", FCOMP, form), X87("fsub", FSUB, form), X87("fsubr", FSUBR, form),          \
           X87("fdiv", FDIV, form), X87("fdivr", FDIVR, form))
#define WITH_INTEGER(form)                                                                         \
    BY_REG(X87("fiadd", FIADD, form), X87("fimul", FIMUL, form), X87("ficom", FICOM, form),        \
           X87("ficomp", FICOMP, form), X87("fisub", FISUB, form), X87("fisubr", FISUBR, form),    \
           X87("fidiv", FIDIV, form), X87("fidivr", FIDIVR, form))

/* clang-format off */
static const struct slot d9_memory[8] = {
    [0] = X87("fld", FLD, Md),
    [2] = X87("fst", FST, Md),
    [3] = X87("fstp", FSTP, Md),
    [4] = X87("fldenv", FLDENV, Menv),
    [5] = X87("fldcw", FLDCW, Mw),
    [6] = X87("fnstenv", FNSTENV, Menv),
    [7] = X87("fnstcw", FNSTCW, Mw),
};
static const struct slot d9_register[8] = {
    [0] = X87("fld", FLD, STi),
    [1] = X87("fxch", FXCH, STi),
    [2] = BY_RM([0] = X87("fnop", FNOP, None)),
    [3] = X87("fstp", FSTP, STi),
    [4] = BY_RM(
        [0] = X87("fchs", FCHS, None),
        [1] = X87("fabs", FABS, None),
        [4] = X87("ftst", FTST, None),
        [5] = X87("fxam", FXAM, None)),
    [5] = BY_RM(
        [0] = X87("fld1", FLD1, None),
        [1] = X87("fldl2t", FLDL2T, None),
        [2] = X87("fldl2e", FLDL2E, None),
        [3] = X87("fldpi", FLDPI, None),
        [4] = X87("fldlg2", FLDLG2, None),
        [5] = X87("fldln2", FLDLN2, None),
        [6] = X87("fldz", FLDZ, None)),
    [6] = BY_RM(
        [0] = X87_APPROX("f2xm1", F2XM1),
        [1] = X87_APPROX("fyl2x", FYL2X),
        [2] = X87_APPROX("fptan", FPTAN),
        [3] = X87_APPROX("fpatan", FPATAN),
        [4] = X87("fxtract", FXTRACT, None),
        [5] = X87("fprem1", FPREM1, None),
        [6] = X87("fdecstp", FDECSTP, None),
        [7] = X87("fincstp", FINCSTP, None)),
    [7] = BY_RM(
        [0] = X87("fprem", FPREM, None),
        [1] = X87_APPROX("fyl2xp1", FYL2XP1),
        [2] = X87("fsqrt", FSQRT, None),
        [3] = X87_APPROX("fsincos", FSINCOS),
        [4] = X87("frndint", FRNDINT, None),
        [5] = X87("fscale", FSCALE, None),
        [6] = X87_APPROX("fsin", FSIN),
        [7] = X87_APPROX("fcos", FCOS)),
};

static const struct slot db_memory[8] = {
    [0] = X87("fild", FILD, Md),
    [2] = X87("fist", FIST, Md),
    [3] = X87("fistp", FISTP, Md),
    [5] = X87("fld", FLD, Mt),
    [7] = X87("fstp", FSTP, Mt),
};
static const struct slot db_register[8] = {
    [0] = X87_MOVE("fcmovnb", FCMOVNB, C),
    [1] = X87_MOVE("fcmovne", FCMOVNE, Z),
    [2] = X87_MOVE("fcmovnbe", FCMOVNBE, C | Z),
    [3] = X87_MOVE("fcmovnu", FCMOVNU, P),
    [4] = BY_RM(
        [0 ... 1] = X87("fnop", FNOP, None),
        [2] = X87("fnclex", FNCLEX, None),
        [3] = X87("fninit", FNINIT, None),
        [4] = X87("fnop", FNOP, None)),
    [5] = X87_COMPARE("fucomi", FUCOMI),
    [6] = X87_COMPARE("fcomi", FCOMI),
};

static const struct slot dd_memory[8] = {
    [0] = X87("fld", FLD, Mq),
    [2] = X87("fst", FST, Mq),
    [3] = X87("fstp", FSTP, Mq),
    [4] = X87("frstor", FRSTOR, Mfpu),
    [6] = X87("fnsave", FNSAVE, Mfpu),
    [7] = X87("fnstsw", FNSTSW, Mw),
};
static const struct slot dd_register[8] = {
    [0] = X87("ffree", FFREE, STi),
    [1] = X87("fxch", FXCH, STi),
    [2] = X87("fst", FST, STi),
    [3] = X87("fstp", FSTP, STi),
    [4] = X87("fucom", FUCOM, STi),
    [5] = X87("fucomp", FUCOMP, STi),
};

static const struct slot df_memory[8] = {
    [0] = X87("fild", FILD, Mw),
    [2] = X87("fist", FIST, Mw),
    [3] = X87("fistp", FISTP, Mw),
    [4] = X87("fbld", FBLD, Mt),
    [5] = X87("fild", FILD, Mq),
    [6] = X87("fbstp", FBSTP, Mt),
    [7] = X87("fistp", FISTP, Mq),
};
static const struct slot df_register[8] = {
    [0] = X87("ffreep", FFREEP, STi),
    [1] = X87("fxch", FXCH, STi),
    [2] = X87("fstp", FSTP, STi),
    [3] = X87("fstp", FSTP, STi),
    [4] = BY_RM([0] = X87("fnstsw", FNSTSW, AX)),
    [5] = X87_COMPARE("fucomip", FUCOMIP),
    [6] = X87_COMPARE("fcomip", FCOMIP),
};

const struct slot table_x87[8] = {
    [0] = BY_MOD(
        [IN_MEMORY] = WITH_FLOAT(Md),
        [IN_REGISTER] = BY_REG(
            X87("fadd", FADD, ST0, STi), X87("fmul", FMUL, ST0, STi),
            X87("fcom", FCOM, STi), X87("fcomp", FCOMP, STi),
            X87("fsub", FSUB, ST0, STi), X87("fsubr", FSUBR, ST0, STi),
            X87("fdiv", FDIV, ST0, STi), X87("fdivr", FDIVR, ST0, STi))),
    [1] = BY_MOD(GO_ON(SPLIT_REG, d9_memory), GO_ON(SPLIT_REG, d9_register)),
    [2] = BY_MOD(
        [IN_MEMORY] = WITH_INTEGER(Md),
        [IN_REGISTER] = BY_REG(
            X87_MOVE("fcmovb", FCMOVB, C), X87_MOVE("fcmove", FCMOVE, Z),
            X87_MOVE("fcmovbe", FCMOVBE, C | Z), X87_MOVE("fcmovu", FCMOVU, P),
            [5] = BY_RM([1] = X87("fucompp", FUCOMPP, None)))),
    [3] = BY_MOD(GO_ON(SPLIT_REG, db_memory), GO_ON(SPLIT_REG, db_register)),
    [4] = BY_MOD(
        [IN_MEMORY] = WITH_FLOAT(Mq),
        [IN_REGISTER] = BY_REG(
            X87("fadd", FADD, STi, ST0), X87("fmul", FMUL, STi, ST0),
            X87("fcom", FCOM, STi), X87("fcomp", FCOMP, STi),
            X87("fsubr", FSUBR, STi, ST0), X87("fsub", FSUB, STi, ST0),
            X87("fdivr", FDIVR, STi, ST0), X87("fdiv", FDIV, STi, ST0))),
    [5] = BY_MOD(GO_ON(SPLIT_REG, dd_memory), GO_ON(SPLIT_REG, dd_register)),
    [6] = BY_MOD(
        [IN_MEMORY] = WITH_INTEGER(Mw),
        [IN_REGISTER] = BY_REG(
            X87("faddp", FADDP, STi, ST0), X87("fmulp", FMULP, STi, ST0),
            X87("fcomp", FCOMP, STi), BY_RM([1] = X87("fcompp", FCOMPP, None)),
            X87("fsubrp", FSUBRP, STi, ST0), X87("fsubp", FSUBP, STi, ST0),
            X87("fdivrp", FDIVRP, STi, ST0), X87("fdivp", FDIVP, STi, ST0))),
    [7] = BY_MOD(GO_ON(SPLIT_REG, df_memory), GO_ON(SPLIT_REG, df_register)),
};
/* clang-format on */
_Static_assert(sizeof(table_x87) / sizeof(table_x87[0]) == 8, "one slot an opcode");
