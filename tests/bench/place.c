/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "place.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cpu_set_t allowed;
static int own_cpu = -1;
static int other_cpu = -1;

/* Whether @b is a hardware thread of @a's core. Unknown counts as no. */
static bool is_sibling(int a, int b)
{
    char path[96];
    char line[128] = "";
    bool found = false;

    snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", a);
    FILE *file = fopen(path, "re");
    if (file && fgets(line, sizeof(line), file)) {
        for (char *part = strtok(line, ","); part; part = strtok(NULL, ",")) {
            char *end;
            long first = strtol(part, &end, 10);
            long last = *end == '-' ? strtol(end + 1, NULL, 10) : first;
            found = found || (b >= first && b <= last);
        }
    }
    if (file)
        fclose(file);
    return found;
}

void place_init(void)
{
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
        perror("sched_getaffinity");
        abort();
    }
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed))
            continue;
        if (own_cpu < 0)
            own_cpu = cpu;
        else if (other_cpu < 0 || (is_sibling(own_cpu, other_cpu) && !is_sibling(own_cpu, cpu)))
            other_cpu = cpu;
    }
}

int place_own_cpu(void)
{
    return own_cpu;
}

int place_other_cpu(void)
{
    return other_cpu;
}

bool place_has_other_cpu(void)
{
    return other_cpu >= 0;
}

static void set_affinity(const cpu_set_t *set)
{
    if (sched_setaffinity(0, sizeof(*set), set) != 0) {
        perror("sched_setaffinity");
        abort();
    }
}

void place_pin(int cpu)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    set_affinity(&one);
}

void place_unpin(void)
{
    set_affinity(&allowed);
}
