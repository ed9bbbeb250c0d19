/*
 * The fixture of cutting.
 */
#include "cut_fixture.h"

#include "test.h"

struct model_config cut_configure(const char *more)
{
    struct model_config config;
    char json[512];
    (void)snprintf(json, sizeof json, "{\"kind\":\"fm\"," LEARNING_SMALL "%s}", more);
    learning_config(json, &config);
    return config;
}

void cut_from(struct learning *l, const struct model_config *config, int64_t from, int64_t to,
              struct cut *cut)
{
    const struct cut_range range = {.from_seq = from, .to_seq = to};
    assert_ok(cut_groups(l->reader, CUT_TERMS(config), &range, cut, NULL));
}

/* Is the feature of an id in an item's row? */
static bool has_id(const struct rk_group *group, size_t item, const char *id)
{
    const struct rk_feature wanted = rk_feature_category(RK_ITEM, "id", 2, id, strlen(id), 1.0F);
    for (uint32_t e = group->offset[1 + item]; e < group->offset[2 + item]; e++) {
        if (group->name[e] == wanted.name && group->index[e] == (wanted.hash & 1023)) {
            return true;
        }
    }
    return false;
}

const char *cut_labels(const struct rk_group *group)
{
    static char text[256];
    static const char *const ids[] = {"a", "b", "c", "d"};
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < group->n_items; i++) {
        const char *id = "?";
        for (size_t k = 0; k < 4; k++) {
            id = has_id(group, i, ids[k]) ? ids[k] : id;
        }
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s=%g", i > 0 ? " " : "", id,
                               (double)group->label[i]);
    }
    return text;
}
