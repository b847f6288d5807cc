/* Makes every fsync and fdatasync take longer, as on a slow card: preloaded into a rig, which may change the delay. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

volatile int sync_delay_us;

static int (*real_fsync)(int);
static int (*real_fdatasync)(int);

__attribute__((constructor)) static void prepare(void) {
    const char *given = getenv("WELLGATE_SYNC_DELAY_US");
    sync_delay_us = given ? atoi(given) : 0;
    real_fsync = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
}

static int delayed(int result) {
    const long us = sync_delay_us;
    const struct timespec delay = {us / 1000000, us % 1000000 * 1000};
    if (us > 0) nanosleep(&delay, NULL);
    return result;
}

int fsync(int file) { return delayed(real_fsync(file)); }
int fdatasync(int file) { return delayed(real_fdatasync(file)); }
