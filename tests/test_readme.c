/*
 * The README's tables are printed by the program: this test says when they are not what it prints.
 */
#include "model_config.h"
#include "options.h"
#include "test.h"

static char *read_readme(void)
{
    FILE *file = fopen("README.md", "r");
    char *text = calloc(1, 1 << 20);

    assert_non_null(file);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
    (void)fclose(file);
    return text;
}

static void assert_in_readme(struct emit *table)
{
    char *readme = read_readme();

    assert_false(table->failed);
    if (strstr(readme, table->text) == NULL) {
        fail_msg("README.md does not hold this table:\n%s", table->text);
    }
    free(readme);
    emit_deinit(table);
}

static void readme_holds_the_table_of_options(void **state)
{
    struct emit table = {0};

    (void)state;
    options_markdown(&table);
    assert_in_readme(&table);
}

static void readme_holds_the_table_of_a_models_configuration(void **state)
{
    struct emit table = {0};

    (void)state;
    model_config_markdown(&table);
    assert_in_readme(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readme_holds_the_table_of_options),
        cmocka_unit_test(readme_holds_the_table_of_a_models_configuration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
