/*
 * Temporary folders.
 */
#include "folder.h"

#include "bench.h"

#include <dirent.h>
#include <unistd.h>

void folder_make(char path[FOLDER_PATH])
{
    const char *base = getenv("TMPDIR");

    (void)snprintf(path, FOLDER_PATH, "%s/rankd-bench-XXXXXX", base != NULL ? base : "/tmp");
    bench_need(mkdtemp(path) != NULL, "no temporary folder");
}

void folder_remove(const char *path)
{
    DIR *folder = opendir(path);

    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        (void)unlinkat(dirfd(folder), entry->d_name, 0);
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
    (void)rmdir(path);
}
