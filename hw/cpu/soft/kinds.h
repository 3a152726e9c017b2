#ifndef HW_CPU_SOFT_KINDS_H
#define HW_CPU_SOFT_KINDS_H
enum insn_kind { INSN_ADD };
#endif
