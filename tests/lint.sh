#!/bin/sh
# The structure, checked: who may include whom, which file knows which library, and that the core computes and nothing else.
#   tests/lint.sh librankd.a
set -eu
library=$1
failed=0
say() {
    echo "lint: $*"
    failed=1
}

# ---- arrows go down only: a server file includes its own module or one of a lower level ----
levels='
main 13
command 12
service 11
http 10
api 9 admin 9
trainer 8 offline 8 reproduce 8
trainee 7 parameters 7
cut 6 held 6.5 retention 6.2 checkpoint 6 datafile 6
writer 5 backup 5 assemble 5 explain 5 teacher 5.5 stored 5.5
codec 4 models 4 lineage 4 config_file 4 storage 4
known_list 3.5
list 3 catalogue 3 live 3 store 3 model_config 3
json 2 pull 2.5 address 2 ulid 2 libfm 2
pace 2
token 3.5 access 4 caps 1
known 2
metrics 1 options 1 problem 1 lines 1 pair 1 progress 1
shell 1 flags 1
scorer 1
log 0 large_block 0 emit 0 clock 0 embed 0 grow 0 failpoint 0
utf8 -1 pointer -1
'
for file in server/*.c server/*.h; do
    grep -o '^#include "[a-z_]*\.h"' "$file" | sed "s|.*\"\(.*\)\.h\"|$file \1|" || true
done | awk -v levels="$levels" '
    function module(name,   m) {
        sub(/.*\//, "", name); sub(/\.[ch]$/, "", name); sub(/_impl$/, "", name)
        for (m = name; m != ""; ) {
            if (m in level) return m
            if (!match(m, /_[^_]*$/)) return ""
            m = substr(m, 1, RSTART - 1)
        }
        return ""
    }
    BEGIN {
        n = split(levels, word)
        for (i = 1; i < n; i += 2) level[word[i]] = word[i + 1]
    }
    {
        from = module($1); to = module($2)
        if (from == "" || to == "") { print "lint: " $1 " includes " $2 ": no level is given for one of them"; bad = 1 }
        else if (from != to && level[to] >= level[from]) { print "lint: " $1 " includes " $2 ".h, which is not below it"; bad = 1 }
    }
    END { exit bad }' || failed=1

# ---- one file a library ----
only() {
    header=$1
    shift
    for file in $(grep -l "#include <$header>" server/*.[ch] core/*.[ch] include/rankd/*.h || true); do
        case " $* " in
        *" $file "*) ;;
        *) say "$file includes <$header>" ;;
        esac
    done
}
only jansson.h server/json.c
only microhttpd.h server/http_impl.h server/http.c server/http_request.c server/http_worker.c
only sqlite3.h server/store_impl.h $(ls server/store*.c)

# ---- the core: C headers without I/O, time or threads ----
for file in core/*.[ch] include/rankd/*.h; do
    for header in $(grep -o '^#include <[^>]*>' "$file" | sed 's/.*<\(.*\)>/\1/'); do
        case $header in
        rankd/*.h | float.h | limits.h | math.h | stdalign.h | stdarg.h | stdbool.h | stddef.h | stdint.h | stdlib.h | string.h | xxhash.h) ;;
        stdio.h) [ "$file" = core/status.c ] || say "$file includes <stdio.h>" ;;
        *) say "$file includes <$header>" ;;
        esac
    done
done

# ---- what the library needs from outside, and what it shows ----
allowed='__cpu_model __cpu_indicator_init strchr malloc calloc realloc aligned_alloc free memcpy memmove memset memcmp memchr strlen strcmp strncmp strnlen qsort abort vsnprintf
__vsnprintf_chk __memcpy_chk __memset_chk __memmove_chk __stack_chk_fail __assert_fail _GLOBAL_OFFSET_TABLE_
sqrtf exp expf log logf log1p log2 pow sqrt tanh fabs fmin fmax ldexp lround isfinite nextafterf frexp exp2
XXH3_64bits XXH3_64bits_withSeed'
nm --defined-only "$library" | awk 'NF == 3 {print $3}' | sort -u > "$library.defined"
for symbol in $(nm -u "$library" | awk '$1 == "U" {print $2}' | sort -u | grep -vxF -f "$library.defined" || true); do
    echo " $(echo $allowed) " | grep -q " $symbol " || say "the core needs $symbol"
done
for symbol in $(nm -g --defined-only "$library" | awk 'NF == 3 {print $3}' | sort -u); do
    case $symbol in
    rk_*) ;;
    *) say "the core exports $symbol" ;;
    esac
done

# ---- sizes: a file is one idea ----
for file in core/*.c server/*.c tests/*.c tests/rel/*.c; do
    lines=$(wc -l < "$file")
    [ "$lines" -le 500 ] || say "$file has $lines lines, more than 500"
done

[ "$failed" = 0 ] && echo "lint: structure, libraries, symbols and sizes are as they should be"
exit "$failed"
