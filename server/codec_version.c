/*
 * The members of a version, in the order of the API's document.
 */
#include "codec_version.h"

#include <string.h>

void codec_version_write(const struct store_checkpoint *row, bool served, struct emit *out)
{
    const char *metrics = row->metrics != NULL ? row->metrics : "{}";

    emit_open(out, '{');
    emit_key(out, "version");
    emit_integer(out, row->version);
    emit_key(out, "parent");
    emit_integer(out, row->parent);
    emit_key(out, "source");
    emit_string(out, store_source_text(row->source));
    emit_key(out, "time");
    emit_time(out, row->time_ms);
    emit_key(out, "seq");
    emit_integer(out, row->seq);
    emit_key(out, "bytes");
    emit_integer(out, row->bytes);
    emit_key(out, "sha256");
    emit_hex(out, row->sha256, sizeof row->sha256);
    emit_key(out, "metrics");
    emit_json(out, metrics, strlen(metrics));
    emit_key(out, "served");
    emit_boolean(out, served);
    emit_close(out, '}');
}
