/*
 * Temporary folders for tests.
 */
#include "temp_folder.h"

#include "test.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define OPEN_FILES_MAX 16

void temp_folder_make(struct temp_folder *folder)
{
    const char *base = getenv("TMPDIR");
    (void)snprintf(folder->path, sizeof folder->path, "%s/rankd-test-XXXXXX",
                   base == NULL ? "/tmp" : base);
    assert_non_null(mkdtemp(folder->path));
}

static int remove_one(const char *path, const struct stat *file, int kind, struct FTW *walk)
{
    (void)file;
    (void)kind;
    (void)walk;
    return remove(path);
}

void temp_folder_remove(const struct temp_folder *folder)
{
    (void)nftw(folder->path, remove_one, OPEN_FILES_MAX, FTW_DEPTH | FTW_PHYS);
}

void temp_folder_path(const struct temp_folder *folder, const char *name, char path[TEMP_PATH_MAX])
{
    int n = snprintf(path, TEMP_PATH_MAX, "%s/%s", folder->path, name);
    assert_true(n > 0 && n < TEMP_PATH_MAX);
}

void temp_file_write(const char *path, const void *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

uint64_t temp_file_hash(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return 0;
    }
    char buffer[4096];
    uint64_t hash = 1;
    size_t n = 0;
    while ((n = fread(buffer, 1, sizeof buffer, file)) > 0) {
        hash = XXH3_64bits_withSeed(buffer, n, hash);
    }
    (void)fclose(file);
    return hash;
}

bool temp_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}
