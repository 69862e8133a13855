/* sluice.h: what a transform in C (C11 or later) or C++ needs to speak with Sluice. One file, no library.
 *
 * A transform is a handful of functions, named to the host at the end of one source file:
 *
 *     SLUICE_LIFECYCLE(describe, configure)     always, and in one file only
 *     SLUICE_REQUESTS(on_request)               where world.wit exports requests-rows
 *     SLUICE_RESPONSES(on_response)             where world.wit exports responses-rows
 *
 * Memory. What the host hands over, what the functions below return, and what sluice_alloc gives belongs to the crossing: the one
 * call from the host that is under way. It is there until that call's answer has been read, and then all of it goes at once; nothing
 * is freed one by one. What has to live longer is copied with sluice_keep, or is malloc's. Where memory runs out the transform
 * traps, which the host treats as any fault: no function here returns NULL for want of memory.
 *
 * Text and bytes are the same type, with a length and without a final NUL: values may hold any byte, NUL too.
 */
#ifndef SLUICE_H
#define SLUICE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The version of the contract that this file speaks. */
#define SLUICE_CONTRACT "0.2.0"

#if defined(__cplusplus)
#define SLUICE_C_API extern "C"
#define SLUICE_ASSERT static_assert
#else
#define SLUICE_C_API extern
#define SLUICE_ASSERT _Static_assert
#endif

/* ------------------------------------------------------------------------------------------------------------- bytes */

/* Bytes that belong to someone else: not to be written to, not to be freed. */
typedef struct sluice_bytes {
    const uint8_t *data;
    size_t size;
} sluice_bytes;

static inline sluice_bytes sluice_make_bytes(const void *data, size_t size) {
    sluice_bytes bytes;
    bytes.data = (const uint8_t *)data;
    bytes.size = size;
    return bytes;
}

/* A C string as bytes, without its final NUL. It is not copied. */
static inline sluice_bytes sluice_text(const char *text) {
    return sluice_make_bytes(text, strlen(text));
}

static inline bool sluice_equal(sluice_bytes a, sluice_bytes b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool sluice_is(sluice_bytes bytes, const char *text) {
    return sluice_equal(bytes, sluice_text(text));
}

/* For printf and sluice_format: sluice_format("%.*s", SLUICE_SHOW(bytes)). What follows a NUL is not shown. */
#define SLUICE_SHOW(bytes) (int)(bytes).size, (const char *)((bytes).data ? (bytes).data : (const uint8_t *)"")

/* ------------------------------------------------------------------------------------------------------------ memory */

/* The crossing's memory: blocks that are filled from the front. Not for use by name; sluice_alloc is. */
struct sluice_block {
    struct sluice_block *next;
    size_t size;
    size_t used;
};
SLUICE_C_API struct sluice_block *sluice_blocks;

/* A block's usual size, which also is what stays with an instance between crossings: 64 KiB. */
#define SLUICE_BLOCK_SIZE ((size_t)65536)

/* `align` is a power of two, at most 16. */
static inline void *sluice_alloc_aligned(size_t size, size_t align) {
    const size_t head = (sizeof(struct sluice_block) + 15) & ~(size_t)15;
    struct sluice_block *block = sluice_blocks;
    if (block != NULL) {
        size_t start = (block->used + align - 1) & ~(align - 1);
        if (start <= block->size && size <= block->size - start) {
            block->used = start + size;
            return (uint8_t *)block + start;
        }
    }
    if (size > SIZE_MAX - head - 16) {
        __builtin_trap();
    }
    size_t whole = head + size > SLUICE_BLOCK_SIZE ? head + size : SLUICE_BLOCK_SIZE;
    struct sluice_block *fresh = (struct sluice_block *)malloc(whole);
    if (fresh == NULL) {
        __builtin_trap();
    }
    fresh->size = whole;
    fresh->used = head + size;
    if (block != NULL && whole > SLUICE_BLOCK_SIZE && block->size - block->used > SLUICE_BLOCK_SIZE / 4) {
        /* A large piece gets a block of its own, behind the one that has room left. */
        fresh->next = block->next;
        block->next = fresh;
    } else {
        fresh->next = block;
        sluice_blocks = fresh;
    }
    return (uint8_t *)fresh + head;
}

/* Memory until the end of the crossing, for any type; not cleared. Never NULL. */
static inline void *sluice_alloc(size_t size) {
    return sluice_alloc_aligned(size, 16);
}

/* Memory for `count` items of `size` bytes until the end of the crossing; not cleared. Never NULL. */
static inline void *sluice_alloc_array(size_t count, size_t size) {
    if (size != 0 && count > SIZE_MAX / size) {
        __builtin_trap();
    }
    return sluice_alloc(count * size);
}

/* A copy until the end of the crossing, to be changed at will. Never NULL. */
static inline uint8_t *sluice_copy(sluice_bytes bytes) {
    uint8_t *copy = (uint8_t *)sluice_alloc_aligned(bytes.size, 1);
    if (bytes.size != 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    return copy;
}

/* A copy that lives as long as the instance: for what `configure` reads and later calls need. */
static inline sluice_bytes sluice_keep(sluice_bytes bytes) {
    uint8_t *copy = (uint8_t *)malloc(bytes.size == 0 ? 1 : bytes.size);
    if (copy == NULL) {
        __builtin_trap();
    }
    if (bytes.size != 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    return sluice_make_bytes(copy, bytes.size);
}

/* The end of a crossing. */
static inline void sluice_free_crossing(void) {
    while (sluice_blocks != NULL && (sluice_blocks->next != NULL || sluice_blocks->size > SLUICE_BLOCK_SIZE)) {
        struct sluice_block *next = sluice_blocks->next;
        free(sluice_blocks);
        sluice_blocks = next;
    }
    if (sluice_blocks != NULL) {
        sluice_blocks->used = (sizeof(struct sluice_block) + 15) & ~(size_t)15;
    }
}

/* As printf does, into memory of the crossing. */
__attribute__((format(printf, 1, 0))) static inline sluice_bytes sluice_vformat(const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    if (size < 0) {
        __builtin_trap();
    }
    char *text = (char *)sluice_alloc_aligned((size_t)size + 1, 1);
    (void)vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    return sluice_make_bytes(text, (size_t)size);
}

__attribute__((format(printf, 1, 2))) static inline sluice_bytes sluice_format(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    sluice_bytes text = sluice_vformat(format, arguments);
    va_end(arguments);
    return text;
}

/* How many bytes the character at the front of `bytes` has in UTF-8: 1 to 4, or 0 where there is none. */
static inline size_t sluice_utf8_front(sluice_bytes bytes) {
    const uint8_t *data = bytes.data;
    if (bytes.size == 0) {
        return 0;
    }
    if (data[0] < 0x80) {
        return 1;
    }
    size_t size = data[0] < 0xe0 ? 2 : data[0] < 0xf0 ? 3 : 4;
    if (data[0] < 0xc2 || data[0] > 0xf4 || size > bytes.size) {
        return 0;
    }
    /* The second byte tells overlong forms, surrogates and what is beyond Unicode. */
    uint8_t least = data[0] == 0xe0 ? 0xa0 : data[0] == 0xf0 ? 0x90 : 0x80;
    uint8_t most = data[0] == 0xed ? 0x9f : data[0] == 0xf4 ? 0x8f : 0xbf;
    if (data[1] < least || data[1] > most) {
        return 0;
    }
    for (size_t i = 2; i < size; i++) {
        if (data[i] < 0x80 || data[i] > 0xbf) {
            return 0;
        }
    }
    return size;
}

/* The same where it is UTF-8; else a copy until the end of the crossing, of the same size, with `?` for each byte that is part of no
 * character. The host takes nothing else for text (log lines, refusals, names): everything below that is text to it goes through this. */
static inline sluice_bytes sluice_utf8(sluice_bytes bytes) {
    uint8_t *copy = NULL;
    size_t at = 0;
    while (at < bytes.size) {
        size_t front = sluice_utf8_front(sluice_make_bytes(bytes.data + at, bytes.size - at));
        if (front == 0) {
            copy = copy != NULL ? copy : sluice_copy(bytes);
            copy[at] = '?';
            front = 1;
        }
        at += front;
    }
    return copy != NULL ? sluice_make_bytes(copy, bytes.size) : bytes;
}

/* ------------------------------------------------------------------------------------------------------------- names */

/* A list of names, as of commands. An empty one is all zeros. */
typedef struct sluice_names {
    sluice_bytes *items;
    size_t count;
} sluice_names;

/* Add a name unless it is there. The list grows in memory of the crossing; the name itself is not copied. */
static inline void sluice_add_name(sluice_names *names, sluice_bytes name) {
    for (size_t i = 0; i < names->count; i++) {
        if (sluice_equal(names->items[i], name)) {
            return;
        }
    }
    if ((names->count & (names->count - 1)) == 0) { /* 0, 1, 2, 4, 8, …: full */
        size_t room = names->count == 0 ? 1 : names->count * 2;
        sluice_bytes *items = (sluice_bytes *)sluice_alloc_array(room, sizeof *items);
        if (names->count != 0) {
            memcpy(items, names->items, names->count * sizeof *items);
        }
        names->items = items;
    }
    names->items[names->count++] = name;
}

/* A copy, names and all, that lives as long as the instance. Nothing is to be added to it. */
static inline sluice_names sluice_keep_names(sluice_names names) {
    sluice_names kept = names;
    kept.items = (sluice_bytes *)(void *)(uintptr_t)sluice_keep(sluice_make_bytes(names.items, names.count * sizeof *names.items)).data;
    for (size_t i = 0; i < names.count; i++) {
        kept.items[i] = sluice_keep(names.items[i]);
    }
    return kept;
}

/* Whether a command is among the names: `config|set` is where it is itself, and where `config` is. */
static inline bool sluice_covers(sluice_names names, sluice_bytes command) {
    for (size_t i = 0; i < names.count; i++) {
        sluice_bytes name = names.items[i];
        if (command.size >= name.size && sluice_equal(sluice_make_bytes(command.data, name.size), name) &&
            (command.size == name.size || command.data[name.size] == '|')) {
            return true;
        }
    }
    return false;
}

/* ----------------------------------------------------------------------------------------------------------- replies */

/* What a node is. SLUICE_ARRAY and what follows it are aggregates. */
enum {
    SLUICE_NULL = 0,       /* the null value */
    SLUICE_NULL_ARRAY = 1, /* RESP2's null array, as EXEC gives it */
    SLUICE_SIMPLE = 2,     /* bytes: a simple string, no CR or LF */
    SLUICE_ERROR = 3,      /* bytes: an error that begins with its code, no CR or LF */
    SLUICE_INTEGER = 4,    /* integer */
    SLUICE_BULK = 5,       /* bytes: any */
    SLUICE_BOOLEAN = 6,    /* boolean */
    SLUICE_DOUBLE = 7,     /* number */
    SLUICE_BIG_NUMBER = 8, /* bytes: an integer beyond 64 bits, in decimal */
    SLUICE_VERBATIM = 9,   /* verbatim: a text and its three-letter format */
    SLUICE_BULK_ERROR = 10, /* bytes: an error with any bytes */
    SLUICE_ARRAY = 11,     /* count: of elements */
    SLUICE_MAP = 12,       /* count: of entries; twice as many elements follow */
    SLUICE_SET = 13,       /* count: of elements */
    SLUICE_PUSH = 14,      /* count: of elements; only in the place of another */
    SLUICE_ATTRIBUTE = 15, /* count: of entries; then comes the element that they describe */
};

/* A part of a reply. A whole reply is a list of nodes in the order in which they are written: an aggregate first, then its
 * elements. `["a", 1]` is sluice_array(2), sluice_bulk("a"), sluice_integer(1). */
typedef struct sluice_node {
    uint8_t kind;
    union {
        sluice_bytes bytes;
        int64_t integer;
        bool boolean;
        double number;
        struct {
            sluice_bytes format;
            sluice_bytes bytes;
        } verbatim;
        uint32_t count;
    } value;
} sluice_node;

static inline sluice_node sluice_make_node(uint8_t kind) {
    sluice_node node;
    memset(&node, 0, sizeof node);
    node.kind = kind;
    return node;
}

static inline sluice_node sluice_bytes_node(uint8_t kind, sluice_bytes bytes) {
    sluice_node node = sluice_make_node(kind);
    node.value.bytes = bytes;
    return node;
}

static inline sluice_node sluice_count_node(uint8_t kind, uint32_t count) {
    sluice_node node = sluice_make_node(kind);
    node.value.count = count;
    return node;
}

static inline sluice_node sluice_null(void) { return sluice_make_node(SLUICE_NULL); }
static inline sluice_node sluice_null_array(void) { return sluice_make_node(SLUICE_NULL_ARRAY); }
static inline sluice_node sluice_ok(void) { return sluice_bytes_node(SLUICE_SIMPLE, sluice_text("OK")); }
static inline sluice_node sluice_simple(sluice_bytes text) { return sluice_bytes_node(SLUICE_SIMPLE, text); }
static inline sluice_node sluice_error(sluice_bytes text) { return sluice_bytes_node(SLUICE_ERROR, text); }
static inline sluice_node sluice_bulk(sluice_bytes bytes) { return sluice_bytes_node(SLUICE_BULK, bytes); }
static inline sluice_node sluice_big_number(sluice_bytes digits) { return sluice_bytes_node(SLUICE_BIG_NUMBER, digits); }
static inline sluice_node sluice_bulk_error(sluice_bytes text) { return sluice_bytes_node(SLUICE_BULK_ERROR, text); }
static inline sluice_node sluice_array(uint32_t elements) { return sluice_count_node(SLUICE_ARRAY, elements); }
static inline sluice_node sluice_map(uint32_t entries) { return sluice_count_node(SLUICE_MAP, entries); }
static inline sluice_node sluice_set(uint32_t elements) { return sluice_count_node(SLUICE_SET, elements); }

static inline sluice_node sluice_integer(int64_t integer) {
    sluice_node node = sluice_make_node(SLUICE_INTEGER);
    node.value.integer = integer;
    return node;
}

static inline sluice_node sluice_boolean(bool boolean) {
    sluice_node node = sluice_make_node(SLUICE_BOOLEAN);
    node.value.boolean = boolean;
    return node;
}

static inline sluice_node sluice_double(double number) {
    sluice_node node = sluice_make_node(SLUICE_DOUBLE);
    node.value.number = number;
    return node;
}

/* `format` has three letters: "txt" or "mkd". */
static inline sluice_node sluice_verbatim(sluice_bytes format, sluice_bytes bytes) {
    sluice_node node = sluice_make_node(SLUICE_VERBATIM);
    node.value.verbatim.format = sluice_utf8(format);
    node.value.verbatim.bytes = bytes;
    return node;
}

/* The bytes of a node that has any, to be read or replaced; NULL for the others. */
static inline sluice_bytes *sluice_bytes_of(sluice_node *node) {
    switch (node->kind) {
    case SLUICE_SIMPLE:
    case SLUICE_ERROR:
    case SLUICE_BULK:
    case SLUICE_BIG_NUMBER:
    case SLUICE_BULK_ERROR:
        return &node->value.bytes;
    case SLUICE_VERBATIM:
        return &node->value.verbatim.bytes;
    default:
        return NULL;
    }
}

/* A copy of nodes until the end of the crossing, to be changed at will. */
static inline sluice_node *sluice_copy_nodes(const sluice_node *nodes, size_t count) {
    sluice_node *copy = (sluice_node *)sluice_alloc_array(count, sizeof *copy);
    if (count != 0) {
        memcpy(copy, nodes, count * sizeof *copy);
    }
    return copy;
}

/* The position behind the element that begins at `at`, with everything that is in it; `count` where it ends too soon. */
static inline size_t sluice_skip(const sluice_node *nodes, size_t count, size_t at) {
    uint64_t left = 1; /* elements still to come: never more than 2^33 for each node, of which there are fewer than 2^28 */
    while (left > 0 && at < count) {
        const sluice_node *node = &nodes[at++];
        left--;
        switch (node->kind) {
        case SLUICE_ARRAY:
        case SLUICE_SET:
        case SLUICE_PUSH:
            left += node->value.count;
            break;
        case SLUICE_MAP:
            left += 2 * (uint64_t)node->value.count;
            break;
        case SLUICE_ATTRIBUTE:
            left += 2 * (uint64_t)node->value.count + 1;
            break;
        default:
            break;
        }
    }
    return at;
}

/* --------------------------------------------------------------------------------------------------------- lifecycle */

/* What a transform is. */
typedef struct sluice_description {
    sluice_bytes name;    /* short, in CamelCase */
    sluice_bytes version; /* its own, such as 1.2.0 */
    sluice_bytes summary; /* one sentence: what it does */
} sluice_description;

/* How much of each request is shown: arguments outside the view are empty. */
enum {
    SLUICE_VIEW_COMMAND = 0, /* argument 0 */
    SLUICE_VIEW_KEYS = 1,    /* argument 0 and the keys */
    SLUICE_VIEW_ALL = 2,     /* every argument */
};

/* What a transform wants to be called for. As `configure` receives it: for nothing, seeing argument 0. */
typedef struct sluice_interest {
    bool named;            /* whether `commands` counts; where not, every request crosses */
    sluice_names commands; /* see sluice_want */
    uint8_t view;          /* SLUICE_VIEW_… */
    sluice_names whole;    /* see sluice_want_whole */
    bool key_positions;    /* whether requests say which arguments are keys; implied by SLUICE_VIEW_KEYS */
} sluice_interest;

/* Requests of this command cross: a name of the host's table such as `get` or `config|set`; `config` stands for all of its
 * subcommands. All other requests are forwarded without a call. */
static inline void sluice_want(sluice_interest *interest, sluice_bytes command) {
    sluice_add_name(&interest->commands, command);
}

/* Every request crosses, those of unknown commands too, whatever else is wanted. */
static inline void sluice_want_everything(sluice_interest *interest) {
    interest->named = false;
}

/* Requests of this command are shown with all their arguments, whatever the view. It does not make them cross. */
static inline void sluice_want_whole(sluice_interest *interest, sluice_bytes command) {
    sluice_add_name(&interest->whole, command);
}

/* ---------------------------------------------------------------------------------------------------------- requests */

typedef struct sluice_request {
    uint64_t id;              /* the message ID; its response carries the same one */
    uint64_t session;         /* the client connection */
    sluice_bytes command;     /* as the host's table lists it; empty for a command that is not in the table */
    const sluice_bytes *args; /* the command's name, as the client wrote it, first */
    size_t arg_count;         /* at least 1 */
    const uint32_t *keys;     /* which arguments are keys, rising; only where the interest asked */
    size_t key_count;
} sluice_request;

/* Whether argument `arg` is a key. */
static inline bool sluice_is_key(const sluice_request *request, size_t arg) {
    for (size_t i = 0; i < request->key_count; i++) {
        if (request->keys[i] == arg) {
            return true;
        }
    }
    return false;
}

/* The arguments of a request, the command's name first. */
typedef struct sluice_args {
    const sluice_bytes *items;
    size_t count;
} sluice_args;

/* What becomes of a request. Left alone, it is forwarded; of several calls the last one counts. */
typedef struct sluice_verdict {
    uint32_t index;
    struct {
        uint8_t kind;
        union {
            struct {
                const void *items;
                size_t count;
            } list;
        } value;
    } action;
    struct {
        bool some;
        uint64_t tag;
    } watch;
} sluice_verdict;

enum { SLUICE_FORWARD = 0, SLUICE_REWRITE = 1, SLUICE_REPLY = 2, SLUICE_FAN_OUT = 3, SLUICE_CLOSE = 4 };

static inline void sluice_decide(sluice_verdict *verdict, uint8_t kind, const void *items, size_t count, size_t size) {
    verdict->action.kind = kind;
    verdict->action.value.list.count = count;
    verdict->action.value.list.items = NULL;
    if (count != 0) {
        void *copy = sluice_alloc_array(count, size);
        memcpy(copy, items, count * size);
        verdict->action.value.list.items = copy;
    }
}

/* It goes on unchanged (as it does without a call). */
static inline void sluice_forward(sluice_verdict *verdict) {
    sluice_decide(verdict, SLUICE_FORWARD, NULL, 0, 0);
}

/* It goes on with these arguments instead, the command's name first. The list is copied; the bytes must be there until the end of
 * the crossing, here and below: the request's own, sluice_alloc's or constants, but nothing on the stack. */
static inline void sluice_rewrite(sluice_verdict *verdict, const sluice_bytes *args, size_t count) {
    sluice_decide(verdict, SLUICE_REWRITE, args, count, sizeof *args);
}

/* It goes no further: this is its reply. */
static inline void sluice_reply_nodes(sluice_verdict *verdict, const sluice_node *nodes, size_t count) {
    sluice_decide(verdict, SLUICE_REPLY, nodes, count, sizeof *nodes);
}

/* The same for a reply of one node: sluice_reply(verdict, sluice_integer(7)). */
static inline void sluice_reply(sluice_verdict *verdict, sluice_node node) {
    sluice_reply_nodes(verdict, &node, 1);
}

/* These requests go on in its place; their replies come back as one array. The list of lists is copied, not each list. */
static inline void sluice_fan_out(sluice_verdict *verdict, const sluice_args *requests, size_t count) {
    sluice_decide(verdict, SLUICE_FAN_OUT, requests, count, sizeof *requests);
}

/* The session is closed once its earlier requests are answered. The nodes are its last reply; there may be none. */
static inline void sluice_close(sluice_verdict *verdict, const sluice_node *nodes, size_t count) {
    sluice_decide(verdict, SLUICE_CLOSE, nodes, count, sizeof *nodes);
}

/* Its response is to come to on_response, with this tag. Not with a reply or a close. */
static inline void sluice_watch(sluice_verdict *verdict, uint64_t tag) {
    verdict->watch.some = true;
    verdict->watch.tag = tag;
}

/* --------------------------------------------------------------------------------------------------------- responses */

typedef struct sluice_response {
    uint64_t id;              /* the message ID of its request */
    uint64_t session;         /* the session of its request */
    uint64_t tag;             /* what sluice_watch was given */
    const sluice_node *nodes; /* the reply */
    size_t node_count;        /* at least 1 */
} sluice_response;

/* What becomes of a response. Left alone, it is kept. */
typedef struct sluice_change {
    uint32_t index;
    const sluice_node *nodes;
    size_t node_count;
} sluice_change;

/* These nodes take its place. The list is copied; the bytes must be there until the end of the crossing. */
static inline void sluice_replace_nodes(sluice_change *change, const sluice_node *nodes, size_t count) {
    change->nodes = sluice_copy_nodes(nodes, count);
    change->node_count = count;
}

/* The same for a reply of one node. */
static inline void sluice_replace(sluice_change *change, sluice_node node) {
    sluice_replace_nodes(change, &node, 1);
}

/* ---------------------------------------------------------------------------------------- what the host offers: imports
 *
 * A component imports the functions that its code calls, and no others; world.wit must import their interfaces. */

#ifdef __wasm__
#define SLUICE_IMPORT(interface, name) \
    __attribute__((import_module("sluice:transform/" interface "@" SLUICE_CONTRACT), import_name(name))) SLUICE_C_API
#else
/* Compiled for the machine itself, as tests do: they bring these functions. */
#define SLUICE_IMPORT(interface, name) SLUICE_C_API
#endif

SLUICE_IMPORT("log", "enabled") int32_t sluice_host_log_enabled(int32_t level);
SLUICE_IMPORT("log", "write") void sluice_host_log_write(int32_t level, const uint8_t *text, size_t size);

enum { SLUICE_LEVEL_ERROR = 0, SLUICE_LEVEL_WARN = 1, SLUICE_LEVEL_INFO = 2, SLUICE_LEVEL_DEBUG = 3, SLUICE_LEVEL_TRACE = 4 };

/* Whether lines of this level (SLUICE_LEVEL_…) are kept at the moment: ask before building an expensive one. */
static inline bool sluice_log_enabled(int level) {
    return sluice_host_log_enabled(level) != 0;
}

/* The host cuts log lines at 4 KiB. Of what is longer it is to get so much that it sees this, and the character at the cut whole. */
#define SLUICE_LOG_SIZE ((size_t)4096 + 4)

/* Write a log line. What is not UTF-8 in it is shown as `?`; the host cuts it at 4 KiB. */
static inline void sluice_log(int level, sluice_bytes text) {
    text = sluice_utf8(sluice_make_bytes(text.data, text.size < SLUICE_LOG_SIZE ? text.size : SLUICE_LOG_SIZE));
    sluice_host_log_write(level, text.data, text.size);
}

/* Write a log line as printf does; nothing is built where the level is off. */
__attribute__((format(printf, 2, 3))) static inline void sluice_logf(int level, const char *format, ...) {
    if (sluice_log_enabled(level)) {
        va_list arguments;
        va_start(arguments, format);
        sluice_log(level, sluice_vformat(format, arguments));
        va_end(arguments);
    }
}

/* A metric's label. */
typedef struct sluice_label {
    sluice_bytes name;
    sluice_bytes value;
} sluice_label;

static inline sluice_label sluice_make_label(const char *name, const char *value) {
    sluice_label label;
    label.name = sluice_text(name);
    label.value = sluice_text(value);
    return label;
}

/* A series of a metric. SLUICE_NO_SERIES is none: what is recorded in it is ignored. */
typedef uint32_t sluice_series;
#define SLUICE_NO_SERIES UINT32_MAX

struct sluice_registered {
    bool refused;
    union {
        sluice_series series;
        struct {
            uint8_t kind;
            sluice_bytes text;
        } refusal;
    } value;
};

SLUICE_IMPORT("metrics", "counter")
void sluice_host_counter(const uint8_t *, size_t, const sluice_label *, size_t, struct sluice_registered *);
SLUICE_IMPORT("metrics", "gauge")
void sluice_host_gauge(const uint8_t *, size_t, const sluice_label *, size_t, struct sluice_registered *);
SLUICE_IMPORT("metrics", "histogram")
void sluice_host_histogram(const uint8_t *, size_t, const sluice_label *, size_t, struct sluice_registered *);
SLUICE_IMPORT("metrics", "explain") void sluice_host_explain(const uint8_t *, size_t, const uint8_t *, size_t);
SLUICE_IMPORT("metrics", "add") void sluice_host_add(uint32_t series, uint64_t amount);
SLUICE_IMPORT("metrics", "set") void sluice_host_set(uint32_t series, double value);
SLUICE_IMPORT("metrics", "observe") void sluice_host_observe(uint32_t series, double value);

/* A copy of the labels, as text. */
static inline const sluice_label *sluice_utf8_labels(const sluice_label *labels, size_t count) {
    sluice_label *copy = (sluice_label *)sluice_alloc_array(count, sizeof *copy);
    for (size_t i = 0; i < count; i++) {
        copy[i].name = sluice_utf8(labels[i].name);
        copy[i].value = sluice_utf8(labels[i].value);
    }
    return copy;
}

static inline sluice_series sluice_registered_series(const char *name, const struct sluice_registered *answer, sluice_bytes *refusal) {
    if (!answer->refused) {
        return answer->value.series;
    }
    if (refusal != NULL) {
        *refusal = answer->value.refusal.kind == 0
                       ? sluice_format("the metric %s: %.*s", name, SLUICE_SHOW(answer->value.refusal.text))
                       : sluice_format("the metric %s: the plugin has as many series as it may have", name);
    }
    return SLUICE_NO_SERIES;
}

/* Register a counter, called `sluice_plugin_<name>` where it is exported. The same name and labels give the same series again. Where
 * it is refused the answer is SLUICE_NO_SERIES, and `refusal`, unless it is NULL, becomes a sentence that says why. */
static inline sluice_series sluice_counter(const char *name, const sluice_label *labels, size_t count, sluice_bytes *refusal) {
    struct sluice_registered answer;
    sluice_bytes text = sluice_utf8(sluice_text(name));
    sluice_host_counter(text.data, text.size, sluice_utf8_labels(labels, count), count, &answer);
    return sluice_registered_series(name, &answer, refusal);
}

/* Register a gauge: it holds the last value. */
static inline sluice_series sluice_gauge(const char *name, const sluice_label *labels, size_t count, sluice_bytes *refusal) {
    struct sluice_registered answer;
    sluice_bytes text = sluice_utf8(sluice_text(name));
    sluice_host_gauge(text.data, text.size, sluice_utf8_labels(labels, count), count, &answer);
    return sluice_registered_series(name, &answer, refusal);
}

/* Register a histogram. */
static inline sluice_series sluice_histogram(const char *name, const sluice_label *labels, size_t count, sluice_bytes *refusal) {
    struct sluice_registered answer;
    sluice_bytes text = sluice_utf8(sluice_text(name));
    sluice_host_histogram(text.data, text.size, sluice_utf8_labels(labels, count), count, &answer);
    return sluice_registered_series(name, &answer, refusal);
}

/* Say what the series of a name measure, in one sentence, as /metrics shows it. */
static inline void sluice_explain(const char *name, const char *help) {
    sluice_bytes text = sluice_utf8(sluice_text(name));
    sluice_bytes sentence = sluice_utf8(sluice_text(help));
    sluice_host_explain(text.data, text.size, sentence.data, sentence.size);
}

/* Add to a counter. */
static inline void sluice_count(sluice_series series, uint64_t amount) { sluice_host_add(series, amount); }
/* Set a gauge. */
static inline void sluice_set_gauge(sluice_series series, double value) { sluice_host_set(series, value); }
/* Record a value in a histogram. */
static inline void sluice_observe(sluice_series series, double value) { sluice_host_observe(series, value); }

/* A command that the host knows. */
typedef struct sluice_command {
    sluice_bytes name;              /* in lower case; `container|subcommand` for a subcommand */
    const sluice_bytes *categories; /* its ACL categories, without `@` */
    size_t category_count;
    bool keyed; /* whether any of its arguments can be a key */
} sluice_command;

typedef struct sluice_command_list {
    const sluice_command *items;
    size_t count;
} sluice_command_list;

SLUICE_IMPORT("commands", "table") void sluice_host_commands(sluice_command_list *);

/* The host's command table. It is there until the end of the crossing. */
static inline sluice_command_list sluice_commands(void) {
    sluice_command_list list;
    sluice_host_commands(&list);
    return list;
}

/* Milliseconds since 1970-01-01 UTC. Needs the grant `clock`. */
SLUICE_IMPORT("clock", "unix-ms") uint64_t sluice_unix_ms(void);
/* Nanoseconds since some moment in the past; never goes back. Needs the grant `clock`. */
SLUICE_IMPORT("clock", "monotonic-ns") uint64_t sluice_monotonic_ns(void);

SLUICE_IMPORT("random", "bits") uint64_t sluice_random_bits(void); /* 64 of them. Needs the grant `random`. */
SLUICE_IMPORT("random", "bytes") void sluice_host_random_bytes(uint32_t, sluice_bytes *);

/* Random bytes, at most 64 KiB. Needs the grant `random`. */
static inline sluice_bytes sluice_random_bytes(uint32_t count) {
    sluice_bytes bytes;
    sluice_host_random_bytes(count, &bytes);
    return bytes;
}

/* Who is behind a session. */
typedef struct sluice_session {
    sluice_bytes peer;   /* the client's address */
    sluice_bytes source; /* the source that it connected to */
    sluice_bytes user;   /* `default` until it has authenticated */
    struct {
        bool some; /* whether it showed a TLS certificate */
        sluice_bytes value;
    } tls_subject;
    uint32_t database;
    uint8_t protocol; /* 2 or 3 */
} sluice_session;

struct sluice_found_session {
    bool some;
    sluice_session session;
};
SLUICE_IMPORT("sessions", "get") void sluice_host_session(uint64_t, struct sluice_found_session *);

/* Fill in `session`; false once it has gone. Needs the grant `sessions`. */
static inline bool sluice_find_session(uint64_t id, sluice_session *session) {
    struct sluice_found_session found;
    sluice_host_session(id, &found);
    if (found.some) {
        *session = found.session;
    }
    return found.some;
}

/* ---- state: a map from bytes to bytes that all instances share. Needs the grant `state`. */

/* How a write of the state ended. */
typedef enum sluice_state_result {
    SLUICE_STATE_OK = 0,           /* done */
    SLUICE_STATE_FULL = 1,         /* it would exceed the limit `state`; nothing was changed */
    SLUICE_STATE_NOT_A_NUMBER = 2, /* the value to be incremented is no 64-bit integer, or would leave its range */
    SLUICE_STATE_CHANGED = 3,      /* the value is not what was expected; nothing was changed */
} sluice_state_result;

/* For `ttl_ms`: it never expires. */
#define SLUICE_FOREVER UINT64_MAX

struct sluice_optional_bytes {
    bool some;
    sluice_bytes value;
};
struct sluice_optional_u64 {
    bool some;
    uint64_t value;
};
struct sluice_written {
    bool refused;
    uint8_t value;
};
struct sluice_sum {
    bool refused;
    union {
        int64_t sum;
        uint8_t refusal;
    } value;
};
typedef struct sluice_key_list {
    const sluice_bytes *items;
    size_t count;
} sluice_key_list;

SLUICE_IMPORT("state", "get") void sluice_host_state_get(const uint8_t *, size_t, struct sluice_optional_bytes *);
SLUICE_IMPORT("state", "expires-in") void sluice_host_state_expires_in(const uint8_t *, size_t, struct sluice_optional_u64 *);
SLUICE_IMPORT("state", "set")
void sluice_host_state_set(const uint8_t *, size_t, const uint8_t *, size_t, int32_t, uint64_t, struct sluice_written *);
SLUICE_IMPORT("state", "delete") int32_t sluice_host_state_delete(const uint8_t *, size_t);
SLUICE_IMPORT("state", "compare-and-swap")
void sluice_host_state_swap(const uint8_t *, size_t, int32_t, const uint8_t *, size_t, int32_t, const uint8_t *, size_t, int32_t,
                            uint64_t, struct sluice_written *);
SLUICE_IMPORT("state", "increment")
void sluice_host_state_increment(const uint8_t *, size_t, int64_t, int32_t, uint64_t, struct sluice_sum *);
SLUICE_IMPORT("state", "keys")
void sluice_host_state_keys(const uint8_t *, size_t, int32_t, const uint8_t *, size_t, uint32_t, sluice_key_list *);

/* The value of a key; false where there is none. */
static inline bool sluice_state_get(sluice_bytes key, sluice_bytes *value) {
    struct sluice_optional_bytes found;
    sluice_host_state_get(key.data, key.size, &found);
    if (found.some) {
        *value = found.value;
    }
    return found.some;
}

/* In how many milliseconds a key expires; false where there is no such key or it does not expire. */
static inline bool sluice_state_expires_in(sluice_bytes key, uint64_t *ms) {
    struct sluice_optional_u64 found;
    sluice_host_state_expires_in(key.data, key.size, &found);
    if (found.some) {
        *ms = found.value;
    }
    return found.some;
}

/* Set a key, to expire in `ttl_ms` milliseconds, or SLUICE_FOREVER. */
static inline sluice_state_result sluice_state_set(sluice_bytes key, sluice_bytes value, uint64_t ttl_ms) {
    struct sluice_written written;
    sluice_host_state_set(key.data, key.size, value.data, value.size, ttl_ms != SLUICE_FOREVER, ttl_ms, &written);
    return written.refused ? (sluice_state_result)(written.value + 1) : SLUICE_STATE_OK;
}

/* Remove a key; says whether it was there. */
static inline bool sluice_state_delete(sluice_bytes key) {
    return sluice_host_state_delete(key.data, key.size) != 0;
}

/* Set a key, or remove it (`value` is NULL), only if its value still is `expected` (NULL: only if there is no such key). */
static inline sluice_state_result sluice_state_compare_and_swap(sluice_bytes key, const sluice_bytes *expected, const sluice_bytes *value,
                                                                uint64_t ttl_ms) {
    struct sluice_written written;
    sluice_host_state_swap(key.data, key.size, expected != NULL, expected != NULL ? expected->data : NULL,
                           expected != NULL ? expected->size : 0, value != NULL, value != NULL ? value->data : NULL,
                           value != NULL ? value->size : 0, ttl_ms != SLUICE_FOREVER, ttl_ms, &written);
    if (written.refused) {
        return (sluice_state_result)(written.value + 1);
    }
    return written.value != 0 ? SLUICE_STATE_OK : SLUICE_STATE_CHANGED;
}

/* Add to a number held as decimal text. A key that is not there counts as 0 and gets `ttl_ms`; one that is there keeps its expiry. */
static inline sluice_state_result sluice_state_increment(sluice_bytes key, int64_t by, uint64_t ttl_ms, int64_t *sum) {
    struct sluice_sum answer;
    sluice_host_state_increment(key.data, key.size, by, ttl_ms != SLUICE_FOREVER, ttl_ms, &answer);
    if (answer.refused) {
        return (sluice_state_result)(answer.value.refusal + 1);
    }
    *sum = answer.value.sum;
    return SLUICE_STATE_OK;
}

/* Up to `limit` (at most 1,000) keys that begin with `prefix` and sort after `after` (NULL: from the first). */
static inline sluice_key_list sluice_state_keys(sluice_bytes prefix, const sluice_bytes *after, uint32_t limit) {
    sluice_key_list keys;
    sluice_host_state_keys(prefix.data, prefix.size, after != NULL, after != NULL ? after->data : NULL,
                           after != NULL ? after->size : 0, limit, &keys);
    return keys;
}

/* -------------------------------------------------------------------------------------------------------------- JSON */

typedef enum sluice_json_kind {
    SLUICE_JSON_NULL,
    SLUICE_JSON_BOOLEAN, /* boolean */
    SLUICE_JSON_NUMBER,  /* sluice_json_integer, sluice_json_number */
    SLUICE_JSON_TEXT,    /* text */
    SLUICE_JSON_LIST,    /* first, next */
    SLUICE_JSON_OBJECT,  /* first, next; each member has a name */
} sluice_json_kind;

/* A value of a JSON document. It is there until the end of the crossing. */
typedef struct sluice_json {
    sluice_json_kind kind;
    bool boolean;
    sluice_bytes text;          /* a text without its quotes and escapes */
    sluice_bytes name;          /* of an object's member */
    sluice_bytes source;        /* as it stands in the document */
    struct sluice_json *first;  /* of a list or an object: what is in it, in the document's order; NULL where it is empty */
    struct sluice_json *next;   /* what follows in the same list or object; NULL at its end */
    struct sluice_json *parent; /* the list or object that it is in; NULL for the document */
} sluice_json;

/* How deep lists and objects may stand in one another. */
#define SLUICE_JSON_DEPTH 64

struct sluice_json_reader {
    const uint8_t *data;
    size_t size;
    size_t at;
    const char *expected; /* set by the first mistake */
};

static inline int sluice_json_peek(const struct sluice_json_reader *reader) {
    return reader->at < reader->size ? reader->data[reader->at] : -1;
}

static inline bool sluice_json_fail(struct sluice_json_reader *reader, const char *expected) {
    if (reader->expected == NULL) {
        reader->expected = expected;
    }
    return false;
}

static inline void sluice_json_space(struct sluice_json_reader *reader) {
    for (int c = sluice_json_peek(reader); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = sluice_json_peek(reader)) {
        reader->at++;
    }
}

static inline bool sluice_json_hex(struct sluice_json_reader *reader, uint32_t *code) {
    *code = 0;
    for (int i = 0; i < 4; i++) {
        int c = sluice_json_peek(reader);
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a') + 10
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A') + 10
                                                : 16;
        if (digit == 16) {
            return sluice_json_fail(reader, "four hexadecimal digits");
        }
        *code = *code << 4 | digit;
        reader->at++;
    }
    return true;
}

/* `code` as UTF-8, at most 4 bytes; gives how many. */
static inline size_t sluice_json_utf8(uint32_t code, uint8_t *out) {
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (uint8_t)(0xc0 | code >> 6);
        out[1] = (uint8_t)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (uint8_t)(0xe0 | code >> 12);
        out[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | code >> 18);
    out[1] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (code & 0x3f));
    return 4;
}

/* The part of a text that follows a backslash; writes at most 4 bytes for the 5 or more that it reads. */
static inline bool sluice_json_escape(struct sluice_json_reader *reader, uint8_t *out, size_t *size) {
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    int c = sluice_json_peek(reader);
    const char *plain = c > 0 ? strchr(from, c) : NULL;
    if (plain != NULL) {
        reader->at++;
        out[(*size)++] = (uint8_t)to[plain - from];
        return true;
    }
    if (c != 'u') {
        return sluice_json_fail(reader, "one of \"\\/bfnrtu after a backslash");
    }
    reader->at++;
    uint32_t code = 0;
    if (!sluice_json_hex(reader, &code)) {
        return false;
    }
    if (code >= 0xd800 && code < 0xdc00) {
        uint32_t low = 0;
        if (reader->size - reader->at < 2 || memcmp(reader->data + reader->at, "\\u", 2) != 0) {
            return sluice_json_fail(reader, "the second half of a surrogate pair");
        }
        reader->at += 2;
        if (!sluice_json_hex(reader, &low)) {
            return false;
        }
        if (low < 0xdc00 || low >= 0xe000) {
            return sluice_json_fail(reader, "the second half of a surrogate pair");
        }
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code < 0xe000) {
        return sluice_json_fail(reader, "the first half of a surrogate pair");
    }
    *size += sluice_json_utf8(code, out + *size);
    return true;
}

static inline bool sluice_json_string(struct sluice_json_reader *reader, sluice_bytes *text) {
    if (sluice_json_peek(reader) != '"') {
        return sluice_json_fail(reader, "a text in quotes");
    }
    size_t start = ++reader->at;
    size_t end = start; /* of the text as it stands: no shorter than what it means */
    while (end < reader->size && reader->data[end] != '"') {
        end += reader->data[end] == '\\' ? 2 : 1;
    }
    uint8_t *out = (uint8_t *)sluice_alloc_aligned(end - start + 1, 1);
    size_t size = 0;
    for (;;) {
        int c = sluice_json_peek(reader);
        if (c < 0x20) {
            return sluice_json_fail(reader, c < 0 ? "a quote that ends the text" : "an escape in place of a control character");
        }
        reader->at++;
        if (c == '"') {
            *text = sluice_make_bytes(out, size);
            return true;
        }
        if (c != '\\') {
            out[size++] = (uint8_t)c;
        } else if (!sluice_json_escape(reader, out, &size)) {
            return false;
        }
    }
}

static inline bool sluice_json_digits(struct sluice_json_reader *reader) {
    size_t start = reader->at;
    while (sluice_json_peek(reader) >= '0' && sluice_json_peek(reader) <= '9') {
        reader->at++;
    }
    return reader->at > start || sluice_json_fail(reader, "a digit");
}

static inline bool sluice_json_read_number(struct sluice_json_reader *reader) {
    if (sluice_json_peek(reader) == '-') {
        reader->at++;
    }
    if (sluice_json_peek(reader) == '0') {
        reader->at++;
    } else if (!sluice_json_digits(reader)) {
        return false;
    }
    if (sluice_json_peek(reader) == '.') {
        reader->at++;
        if (!sluice_json_digits(reader)) {
            return false;
        }
    }
    if (sluice_json_peek(reader) == 'e' || sluice_json_peek(reader) == 'E') {
        reader->at++;
        if (sluice_json_peek(reader) == '+' || sluice_json_peek(reader) == '-') {
            reader->at++;
        }
        return sluice_json_digits(reader);
    }
    return true;
}

static inline bool sluice_json_word(struct sluice_json_reader *reader, const char *word) {
    size_t size = strlen(word);
    if (reader->size - reader->at < size || memcmp(reader->data + reader->at, word, size) != 0) {
        return sluice_json_fail(reader, "a value");
    }
    reader->at += size;
    return true;
}

/* Everything of a value but what is in it. */
static inline bool sluice_json_begin(struct sluice_json_reader *reader, sluice_json *value) {
    switch (sluice_json_peek(reader)) {
    case '"':
        value->kind = SLUICE_JSON_TEXT;
        return sluice_json_string(reader, &value->text);
    case '[':
        value->kind = SLUICE_JSON_LIST;
        reader->at++;
        return true;
    case '{':
        value->kind = SLUICE_JSON_OBJECT;
        reader->at++;
        return true;
    case 't':
        value->kind = SLUICE_JSON_BOOLEAN;
        value->boolean = true;
        return sluice_json_word(reader, "true");
    case 'f':
        value->kind = SLUICE_JSON_BOOLEAN;
        return sluice_json_word(reader, "false");
    case 'n':
        value->kind = SLUICE_JSON_NULL;
        return sluice_json_word(reader, "null");
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        value->kind = SLUICE_JSON_NUMBER;
        return sluice_json_read_number(reader);
    default:
        return sluice_json_fail(reader, "a value");
    }
}

/* The place of the next value: `parent` is the open list or object, `last` what stands before it there. */
static inline sluice_json *sluice_json_place(struct sluice_json_reader *reader, sluice_json *parent, sluice_json *last) {
    sluice_json *value = (sluice_json *)sluice_alloc(sizeof *value);
    memset(value, 0, sizeof *value);
    value->parent = parent;
    if (parent != NULL && parent->kind == SLUICE_JSON_OBJECT) {
        if (!sluice_json_string(reader, &value->name)) {
            return NULL;
        }
        sluice_json_space(reader);
        if (sluice_json_peek(reader) != ':') {
            (void)sluice_json_fail(reader, "a colon");
            return NULL;
        }
        reader->at++;
        sluice_json_space(reader);
    }
    if (last != NULL) {
        last->next = value;
    } else if (parent != NULL) {
        parent->first = value;
    }
    return value;
}

static inline sluice_json *sluice_json_document(struct sluice_json_reader *reader) {
    int depth = 0;
    sluice_json *parent = NULL;
    sluice_json *last = NULL;
    sluice_json_space(reader);
    for (;;) {
        /* A value begins here. */
        sluice_json *value = sluice_json_place(reader, parent, last);
        if (value == NULL) {
            return NULL;
        }
        size_t start = reader->at;
        if (!sluice_json_begin(reader, value)) {
            return NULL;
        }
        value->source = sluice_make_bytes(reader->data + start, reader->at - start);
        last = value;
        if (value->kind >= SLUICE_JSON_LIST) {
            if (++depth > SLUICE_JSON_DEPTH) {
                (void)sluice_json_fail(reader, "at most 64 lists and objects in one another");
                return NULL;
            }
            sluice_json_space(reader);
            parent = value;
            last = NULL;
            if (sluice_json_peek(reader) != (value->kind == SLUICE_JSON_LIST ? ']' : '}')) {
                continue;
            }
        }
        /* What is open ends here, or goes on behind a comma. */
        for (;;) {
            sluice_json_space(reader);
            if (parent == NULL) {
                return last;
            }
            int c = sluice_json_peek(reader);
            if (c == ',' && last != NULL) {
                reader->at++;
                sluice_json_space(reader);
                break;
            }
            if (c != (parent->kind == SLUICE_JSON_LIST ? ']' : '}')) {
                (void)sluice_json_fail(reader, parent->kind == SLUICE_JSON_LIST ? "a comma or ]" : "a comma or }");
                return NULL;
            }
            reader->at++;
            parent->source.size = (size_t)(reader->data + reader->at - parent->source.data);
            last = parent;
            parent = parent->parent;
            depth--;
        }
    }
}

/* Read a document, strictly. NULL where it is no JSON: `refusal`, unless it is NULL, then says what was expected, and where. */
static inline const sluice_json *sluice_json_parse(sluice_bytes document, sluice_bytes *refusal) {
    struct sluice_json_reader reader;
    reader.data = document.data;
    reader.size = document.size;
    reader.at = 0;
    reader.expected = NULL;
    const sluice_json *value = sluice_json_document(&reader);
    if (value != NULL && reader.at != reader.size) {
        (void)sluice_json_fail(&reader, "the end of the document");
        value = NULL;
    }
    if (value == NULL && refusal != NULL) {
        *refusal = sluice_format("no valid JSON at byte %zu: expected %s", reader.at, reader.expected);
    }
    return value;
}

/* A value on one line, without the space between its parts: for sentences that say what was found. */
static inline sluice_bytes sluice_json_show(const sluice_json *value) {
    if (value == NULL || value->source.size == 0) {
        return sluice_text("null");
    }
    uint8_t *out = (uint8_t *)sluice_alloc_aligned(value->source.size, 1);
    size_t size = 0;
    bool quoted = false;
    for (size_t i = 0; i < value->source.size; i++) {
        uint8_t c = value->source.data[i];
        if (!quoted && (c == ' ' || c == '\t' || c == '\n' || c == '\r')) {
            continue;
        }
        out[size++] = c;
        if (c == '"') {
            quoted = !quoted;
        } else if (quoted && c == '\\' && i + 1 < value->source.size) {
            out[size++] = value->source.data[++i];
        }
    }
    return sluice_make_bytes(out, size);
}

/* An object's member of that name; NULL where there is none, or where `object` is none. */
static inline const sluice_json *sluice_json_member(const sluice_json *object, const char *name) {
    if (object->kind == SLUICE_JSON_OBJECT) {
        for (const sluice_json *member = object->first; member != NULL; member = member->next) {
            if (sluice_is(member->name, name)) {
                return member;
            }
        }
    }
    return NULL;
}

/* The first member with a name that is not among `names`; NULL where all are. */
static inline const sluice_json *sluice_json_unknown(const sluice_json *object, const char *const *names, size_t count) {
    for (const sluice_json *member = object->first; member != NULL; member = member->next) {
        size_t i = 0;
        while (i < count && !sluice_is(member->name, names[i])) {
            i++;
        }
        if (i == count) {
            return member;
        }
    }
    return NULL;
}

/* Whether it is a whole number, written without point and exponent, from `least` to `most`. */
static inline bool sluice_json_integer(const sluice_json *value, int64_t least, int64_t most, int64_t *integer) {
    if (value->kind != SLUICE_JSON_NUMBER) {
        return false;
    }
    bool negative = value->source.data[0] == '-';
    int64_t found = 0;
    for (size_t i = negative ? 1 : 0; i < value->source.size; i++) {
        uint8_t c = value->source.data[i];
        if (c < '0' || c > '9' || __builtin_mul_overflow(found, (int64_t)10, &found) ||
            __builtin_add_overflow(found, (int64_t)(negative ? '0' - c : c - '0'), &found)) {
            return false;
        }
    }
    if (found < least || found > most) {
        return false;
    }
    *integer = found;
    return true;
}

/* Whether it is a number; gives the nearest double. */
static inline bool sluice_json_number(const sluice_json *value, double *number) {
    if (value->kind != SLUICE_JSON_NUMBER) {
        return false;
    }
    *number = strtod((const char *)sluice_format("%.*s", SLUICE_SHOW(value->source)).data, NULL);
    return true;
}

/* Whether it is a list of texts, and of nothing else; they are added to `names`. */
static inline bool sluice_json_names(const sluice_json *value, sluice_names *names) {
    if (value->kind != SLUICE_JSON_LIST) {
        return false;
    }
    for (const sluice_json *item = value->first; item != NULL; item = item->next) {
        if (item->kind != SLUICE_JSON_TEXT) {
            return false;
        }
        sluice_add_name(names, item->text);
    }
    return true;
}

/* ----------------------------------------------------------------------------------- what the transform offers: exports */

#ifdef __wasm__
#define SLUICE_EXPORT(name) __attribute__((export_name(name))) SLUICE_C_API
#else
#define SLUICE_EXPORT(name) SLUICE_C_API
#endif
#define SLUICE_OF(interface, function) "sluice:transform/" interface "@" SLUICE_CONTRACT "#" function

/* What the host reads: lists, and the answer of `configure`. */
struct sluice_list {
    const void *items;
    size_t count;
};
struct sluice_configured {
    bool refused;
    union {
        sluice_interest interest;
        sluice_bytes refusal;
    } value;
};

/* The host's way to memory: where it puts what it hands over. */
static inline void *sluice_host_realloc(void *old, size_t old_size, size_t align, size_t size) {
    if (old != NULL && size <= old_size) {
        return old;
    }
    void *fresh = sluice_alloc_aligned(size, align);
    if (old != NULL && old_size != 0) {
        memcpy(fresh, old, old_size);
    }
    return fresh;
}

static inline sluice_description sluice_utf8_description(sluice_description description) {
    description.name = sluice_utf8(description.name);
    description.version = sluice_utf8(description.version);
    description.summary = sluice_utf8(description.summary);
    return description;
}

static inline sluice_names sluice_utf8_names(sluice_names names) {
    sluice_names copy = names;
    copy.items = (sluice_bytes *)sluice_alloc_array(names.count, sizeof *copy.items);
    for (size_t i = 0; i < names.count; i++) {
        copy.items[i] = sluice_utf8(names.items[i]);
    }
    return copy;
}

static inline sluice_interest sluice_utf8_interest(sluice_interest interest) {
    interest.commands = sluice_utf8_names(interest.commands);
    interest.whole = sluice_utf8_names(interest.whole);
    return interest;
}

static inline struct sluice_list *sluice_judge(const sluice_request *requests, size_t count,
                                               void (*on_request)(const sluice_request *, sluice_verdict *)) {
    sluice_verdict *verdicts = (sluice_verdict *)sluice_alloc_array(count, sizeof *verdicts);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        sluice_verdict *verdict = &verdicts[kept];
        memset(verdict, 0, sizeof *verdict);
        verdict->index = (uint32_t)i;
        on_request(&requests[i], verdict);
        if (verdict->action.kind != SLUICE_FORWARD || verdict->watch.some) {
            kept++;
        }
    }
    struct sluice_list *list = (struct sluice_list *)sluice_alloc(sizeof *list);
    list->items = verdicts;
    list->count = kept;
    return list;
}

static inline struct sluice_list *sluice_review(const sluice_response *responses, size_t count,
                                                void (*on_response)(const sluice_response *, sluice_change *)) {
    sluice_change *changes = (sluice_change *)sluice_alloc_array(count, sizeof *changes);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        sluice_change *change = &changes[kept];
        memset(change, 0, sizeof *change);
        change->index = (uint32_t)i;
        on_response(&responses[i], change);
        if (change->node_count != 0) {
            kept++;
        }
    }
    struct sluice_list *list = (struct sluice_list *)sluice_alloc(sizeof *list);
    list->items = changes;
    list->count = kept;
    return list;
}

/* sluice_description describe(void): what the transform is. Called before `configure`, possibly without it.
 *
 * bool configure(sluice_bytes config, sluice_interest *interest, sluice_bytes *refusal): set up an instance. `config` is the
 * transform's map from the topology as a JSON object. True: `interest` says what to be called for. False: `refusal` is a sentence for
 * the operator, what was found and what was expected. The answer must depend on `config` alone. */
#define SLUICE_LIFECYCLE(describe, configure)                                                                                    \
    struct sluice_block *sluice_blocks;                                                                                          \
    SLUICE_EXPORT("cabi_realloc") void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size);                     \
    void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {                                                  \
        return sluice_host_realloc(old, old_size, align, size);                                                                  \
    }                                                                                                                            \
    SLUICE_EXPORT(SLUICE_OF("lifecycle", "describe")) sluice_description *sluice_export_describe(void);                          \
    sluice_description *sluice_export_describe(void) {                                                                           \
        sluice_description *answer = (sluice_description *)sluice_alloc(sizeof *answer);                                         \
        *answer = sluice_utf8_description(describe());                                                                           \
        return answer;                                                                                                           \
    }                                                                                                                            \
    SLUICE_EXPORT("cabi_post_" SLUICE_OF("lifecycle", "describe")) void sluice_after_describe(void *answer);                     \
    void sluice_after_describe(void *answer) {                                                                                   \
        (void)answer;                                                                                                            \
        sluice_free_crossing();                                                                                                  \
    }                                                                                                                            \
    SLUICE_EXPORT(SLUICE_OF("lifecycle", "configure"))                                                                           \
    struct sluice_configured *sluice_export_configure(const uint8_t *config, size_t size);                                       \
    struct sluice_configured *sluice_export_configure(const uint8_t *config, size_t size) {                                      \
        struct sluice_configured *answer = (struct sluice_configured *)sluice_alloc(sizeof *answer);                             \
        memset(answer, 0, sizeof *answer);                                                                                       \
        sluice_interest interest;                                                                                                \
        memset(&interest, 0, sizeof interest);                                                                                   \
        interest.named = true;                                                                                                   \
        sluice_bytes refusal = sluice_text("the transform refuses this, and does not say why");                                  \
        answer->refused = !configure(sluice_make_bytes(config, size), &interest, &refusal);                                      \
        if (answer->refused) {                                                                                                   \
            answer->value.refusal = sluice_utf8(refusal);                                                                        \
        } else {                                                                                                                 \
            answer->value.interest = sluice_utf8_interest(interest);                                                             \
        }                                                                                                                        \
        return answer;                                                                                                           \
    }                                                                                                                            \
    SLUICE_EXPORT("cabi_post_" SLUICE_OF("lifecycle", "configure")) void sluice_after_configure(void *answer);                   \
    void sluice_after_configure(void *answer) {                                                                                  \
        (void)answer;                                                                                                            \
        sluice_free_crossing();                                                                                                  \
    }

/* void on_request(const sluice_request *request, sluice_verdict *verdict): judge a request. */
#define SLUICE_REQUESTS(on_request)                                                                                              \
    SLUICE_EXPORT(SLUICE_OF("requests-rows", "handle"))                                                                          \
    struct sluice_list *sluice_export_requests(const sluice_request *requests, size_t count);                                    \
    struct sluice_list *sluice_export_requests(const sluice_request *requests, size_t count) {                                   \
        return sluice_judge(requests, count, on_request);                                                                        \
    }                                                                                                                            \
    SLUICE_EXPORT("cabi_post_" SLUICE_OF("requests-rows", "handle")) void sluice_after_requests(void *answer);                   \
    void sluice_after_requests(void *answer) {                                                                                   \
        (void)answer;                                                                                                            \
        sluice_free_crossing();                                                                                                  \
    }

/* void on_response(const sluice_response *response, sluice_change *change): look at the response to a request that was watched. */
#define SLUICE_RESPONSES(on_response)                                                                                            \
    SLUICE_EXPORT(SLUICE_OF("responses-rows", "handle"))                                                                         \
    struct sluice_list *sluice_export_responses(const sluice_response *responses, size_t count);                                 \
    struct sluice_list *sluice_export_responses(const sluice_response *responses, size_t count) {                                \
        return sluice_review(responses, count, on_response);                                                                     \
    }                                                                                                                            \
    SLUICE_EXPORT("cabi_post_" SLUICE_OF("responses-rows", "handle")) void sluice_after_responses(void *answer);                 \
    void sluice_after_responses(void *answer) {                                                                                  \
        (void)answer;                                                                                                            \
        sluice_free_crossing();                                                                                                  \
    }

/* The layouts that the contract fixes: the host reads and writes these structs as they are. */
#ifdef __wasm32__
SLUICE_ASSERT(sizeof(sluice_bytes) == 8, "list<u8>");
SLUICE_ASSERT(sizeof(sluice_node) == 24 && offsetof(sluice_node, value) == 8, "replies.node");
SLUICE_ASSERT(sizeof(sluice_description) == 24, "lifecycle.description");
SLUICE_ASSERT(sizeof(sluice_interest) == 28 && offsetof(sluice_interest, view) == 12, "lifecycle.interest");
SLUICE_ASSERT(sizeof(struct sluice_configured) == 32 && offsetof(struct sluice_configured, value) == 4, "lifecycle.configure");
SLUICE_ASSERT(sizeof(sluice_request) == 40 && offsetof(sluice_request, keys) == 32, "requests-rows.request");
SLUICE_ASSERT(sizeof(sluice_verdict) == 32 && offsetof(sluice_verdict, watch) == 16, "requests-rows.verdict");
SLUICE_ASSERT(sizeof(sluice_response) == 32 && offsetof(sluice_response, nodes) == 24, "responses-rows.response");
SLUICE_ASSERT(sizeof(sluice_change) == 12, "responses-rows.change");
SLUICE_ASSERT(sizeof(struct sluice_registered) == 16, "metrics.counter");
SLUICE_ASSERT(sizeof(sluice_command) == 20, "commands.command");
SLUICE_ASSERT(sizeof(sluice_session) == 44, "sessions.session");
SLUICE_ASSERT(sizeof(struct sluice_found_session) == 48, "sessions.get");
SLUICE_ASSERT(sizeof(struct sluice_optional_u64) == 16, "state.expires-in");
SLUICE_ASSERT(sizeof(struct sluice_sum) == 16, "state.increment");
#endif

#endif
