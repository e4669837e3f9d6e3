/* Preloaded into a process, writes down what it does to the files of one folder, in order.
 *
 * RECORD_FOLDER names the folder, RECORD_LOG the file that the record goes to. Each entry: a kind (one byte: W
 * write, T truncate, S flush), three native 64-bit numbers (length of the path, offset or size, length of
 * the data), the path, the data. A write without a position (the list of acknowledgements) has offset -1.
 * A write is recorded before it is done, a flush after it has succeeded.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MOST_FILES = 4096 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int record = -1;
static size_t folder_length;
static const char *folder;
/* What is known of a descriptor: 0 nothing, 1 not ours, else the path. */
static char *paths[MOST_FILES];
static char not_ours;

__attribute__((constructor)) static void prepare(void) {
    const char *log = getenv("RECORD_LOG");
    folder = getenv("RECORD_FOLDER");
    if (!log || !folder) return;
    folder_length = strlen(folder);
    record = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (record < 0) abort();
}

static const char *path_of(int fd) {
    char link[64], path[PATH_MAX];
    if (record < 0 || fd < 0 || fd >= MOST_FILES) return NULL;
    if (!paths[fd]) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, path, sizeof path - 1);
        path[length < 0 ? 0 : length] = 0;
        int ours = !strncmp(path, folder, folder_length) && path[folder_length] == '/';
        paths[fd] = ours ? strdup(path + folder_length + 1) : &not_ours;
    }
    return paths[fd] == &not_ours ? NULL : paths[fd];
}

static void note(char kind, const char *path, int64_t offset, const void *data, size_t length) {
    int64_t numbers[3] = {(int64_t)strlen(path), offset, (int64_t)length};
    struct iovec parts[4] = {
        {&kind, 1}, {numbers, sizeof numbers}, {(void *)path, (size_t)numbers[0]}, {(void *)data, length}};
    size_t whole = 1 + sizeof numbers + (size_t)numbers[0] + length;
    if (syscall(SYS_writev, record, parts, 4) != (long)whole) abort();
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define RECORDED(fd, kind, offset, data, length)                      \
    do {                                                              \
        pthread_mutex_lock(&lock);                                    \
        const char *path = path_of(fd);                               \
        if (path) note(kind, path, (int64_t)(offset), data, length);  \
        pthread_mutex_unlock(&lock);                                  \
    } while (0)

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
    RECORDED(fd, 'W', offset, data, length);
    return REAL(pwrite64)(fd, data, length, offset);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) {
    RECORDED(fd, 'W', offset, data, length);
    return REAL(pwrite)(fd, data, length, offset);
}

ssize_t write(int fd, const void *data, size_t length) {
    RECORDED(fd, 'W', -1, data, length);
    return REAL(write)(fd, data, length);
}

int ftruncate64(int fd, off64_t size) {
    RECORDED(fd, 'T', size, NULL, 0);
    return REAL(ftruncate64)(fd, size);
}

int ftruncate(int fd, off_t size) {
    RECORDED(fd, 'T', size, NULL, 0);
    return REAL(ftruncate)(fd, size);
}

int fsync(int fd) {
    int failed = REAL(fsync)(fd);
    if (!failed) RECORDED(fd, 'S', 0, NULL, 0);
    return failed;
}

int fdatasync(int fd) {
    int failed = REAL(fdatasync)(fd);
    if (!failed) RECORDED(fd, 'S', 0, NULL, 0);
    return failed;
}

int close(int fd) {
    pthread_mutex_lock(&lock);
    if (fd >= 0 && fd < MOST_FILES) {
        if (paths[fd] != &not_ours) free(paths[fd]);
        paths[fd] = NULL;
    }
    pthread_mutex_unlock(&lock);
    return REAL(close)(fd);
}
