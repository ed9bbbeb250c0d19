/*
 * Models that come from and go to PyTorch: the script does the round trips over HTTP, where PyTorch
 * is there.
 */
#include "server_process.h"
#include "temp_folder.h"
#include "test.h"

static void models_go_to_pytorch_and_back_with_the_same_scores(void **state)
{
    struct temp_folder folder;
    char db[TEMP_PATH_MAX], command[256];
    struct server_process server;

    (void)state;
    if (system("python3 -c 'import torch' 2>/dev/null") != 0 &&
        system("/usr/bin/python3 -c 'import torch' 2>/dev/null") != 0) {
        print_message("SKIP: needs python3 with torch (python3-torch)\n");
        skip();
    }
    temp_folder_make(&folder);
    temp_folder_path(&folder, "rankd.db", db);
    server_start(&server, db, NULL);
    (void)snprintf(command, sizeof command,
                   "P=python3; $P -c 'import torch' 2>/dev/null || P=/usr/bin/python3; "
                   "$P tests/pytorch_round_trip.py %u",
                   (unsigned)server.port);
    assert_int_equal(system(command), 0);
    server_stop(&server);
    temp_folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_go_to_pytorch_and_back_with_the_same_scores),
    };

    return cmocka_run_group_tests_name("pytorch", tests, NULL, NULL);
}
