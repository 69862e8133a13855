/* CardMask: masks the digits of card numbers in values that are written and read. */
#include "sluice.h"

/* The watched responses' tag; there is only one kind of them. */
#define READ 1

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

/* What `configure` found out. It lives as long as the instance. */
static struct {
    int64_t keep;
    sluice_names write, read; /* commands */
    sluice_series written_total, read_total;
} self = {.keep = 4};

static const char *const WRITE[] = {"set",  "setex", "psetex", "setnx", "getset", "append", "mset", "msetnx",
                                    "hset", "hsetnx", "hmset", "lpush", "rpush",  "sadd"};
static const char *const READ_BACK[] = {"get",  "mget",  "getset",  "getdel", "getex",
                                        "hget", "hmget", "hgetall", "lrange", "smembers"};

/* ---- Card numbers */

static bool is_digit(uint8_t c) {
    return c >= '0' && c <= '9';
}

/* Where the run of digits that begins at `start` ends: it goes on over one space or dash that is followed by a digit. */
static size_t end_of_run(sluice_bytes value, size_t start, int *digits) {
    size_t at = start;
    *digits = 0;
    for (;;) {
        while (at < value.size && is_digit(value.data[at])) {
            at++;
            (*digits)++;
        }
        if (at + 1 < value.size && (value.data[at] == ' ' || value.data[at] == '-') && is_digit(value.data[at + 1])) {
            at++;
        } else {
            return at;
        }
    }
}

/* The Luhn check: from the right, every second digit counts twice, and the sum ends in 0. */
static bool passes_luhn(const uint8_t *run, size_t size) {
    int sum = 0;
    bool twice = false;
    for (size_t i = size; i-- > 0;) {
        if (is_digit(run[i])) {
            int digit = run[i] - '0';
            sum += twice ? digit * 2 - (digit > 4 ? 9 : 0) : digit;
            twice = !twice;
        }
    }
    return sum % 10 == 0;
}

/* Mask all card numbers of `value`, which becomes a copy if there are any. Says how many there were. */
static uint64_t mask(sluice_bytes *value) {
    uint64_t masked = 0;
    uint8_t *copy = NULL;
    for (size_t at = 0; at < value->size; at++) {
        if (!is_digit(value->data[at])) {
            continue;
        }
        int digits = 0;
        size_t end = end_of_run(*value, at, &digits);
        if (digits >= 13 && digits <= 19 && passes_luhn(value->data + at, end - at)) {
            if (copy == NULL) {
                copy = sluice_copy(*value);
            }
            int64_t left = digits - self.keep; /* to be masked */
            for (size_t i = at; left > 0; i++) {
                if (is_digit(copy[i])) {
                    copy[i] = '*';
                    left--;
                }
            }
            masked++;
        }
        at = end - 1;
    }
    if (copy != NULL) {
        value->data = copy;
    }
    return masked;
}

/* ---- Requests and responses */

static void on_request(const sluice_request *request, sluice_verdict *verdict) {
    if (sluice_covers(self.write, request->command)) {
        sluice_bytes *args = sluice_alloc_array(request->arg_count, sizeof *args);
        uint64_t masked = 0;
        for (size_t i = 0; i < request->arg_count; i++) {
            args[i] = request->args[i];
            if (i > 0 && !sluice_is_key(request, i)) {
                masked += mask(&args[i]);
            }
        }
        if (masked > 0) {
            sluice_rewrite(verdict, args, request->arg_count);
            sluice_count(self.written_total, masked);
        }
    }
    if (sluice_covers(self.read, request->command)) {
        sluice_watch(verdict, READ);
    }
}

static void on_response(const sluice_response *response, sluice_change *change) {
    sluice_node *nodes = sluice_copy_nodes(response->nodes, response->node_count);
    uint64_t masked = 0;
    for (size_t i = 0; i < response->node_count; i++) {
        if (nodes[i].kind == SLUICE_BULK || nodes[i].kind == SLUICE_SIMPLE || nodes[i].kind == SLUICE_VERBATIM) {
            masked += mask(sluice_bytes_of(&nodes[i]));
        }
    }
    if (masked > 0) {
        sluice_replace_nodes(change, nodes, response->node_count);
        sluice_count(self.read_total, masked);
    }
}

/* ---- Setting up */

static sluice_description describe(void) {
    return (sluice_description){
        .name = sluice_text("CardMask"),
        .version = sluice_text("0.1.0"),
        .summary = sluice_text("Masks the digits of card numbers in values that are written and read."),
    };
}

/* The commands that a setting lists, or else those that it has by default. */
static bool read_commands(const sluice_json *config, const char *setting, const char *const *defaults, size_t default_count,
                          sluice_names *commands, sluice_bytes *refusal) {
    sluice_names names = {0};
    const sluice_json *value = sluice_json_member(config, setting);
    if (value == NULL) {
        for (size_t i = 0; i < default_count; i++) {
            sluice_add_name(&names, sluice_text(defaults[i]));
        }
    } else if (!sluice_json_names(value, &names)) {
        *refusal = sluice_format("%s: found %.*s, expected a list of command names", setting, SLUICE_SHOW(sluice_json_show(value)));
        return false;
    }
    *commands = sluice_keep_names(names);
    return true;
}

static bool configure(sluice_bytes document, sluice_interest *interest, sluice_bytes *refusal) {
    static const char *const settings[] = {"keep", "write", "read"};
    const sluice_json *config = sluice_json_parse(document, refusal);
    if (config == NULL) {
        return false;
    }
    const sluice_json *unknown = sluice_json_unknown(config, settings, LENGTH(settings));
    if (unknown != NULL) {
        *refusal = sluice_format("unknown setting \"%.*s\": expected keep, read or write", SLUICE_SHOW(unknown->name));
        return false;
    }
    const sluice_json *keep = sluice_json_member(config, "keep");
    if (keep != NULL && !sluice_json_integer(keep, 0, 12, &self.keep)) {
        *refusal = sluice_format("keep: found %.*s, expected a whole number from 0 to 12", SLUICE_SHOW(sluice_json_show(keep)));
        return false;
    }
    if (!read_commands(config, "write", WRITE, LENGTH(WRITE), &self.write, refusal) ||
        !read_commands(config, "read", READ_BACK, LENGTH(READ_BACK), &self.read, refusal)) {
        return false;
    }

    const sluice_label written = sluice_make_label("direction", "written");
    const sluice_label read = sluice_make_label("direction", "read");
    self.written_total = sluice_counter("card_numbers_masked_total", &written, 1, refusal);
    self.read_total = sluice_counter("card_numbers_masked_total", &read, 1, refusal);
    if (self.written_total == SLUICE_NO_SERIES || self.read_total == SLUICE_NO_SERIES) {
        return false;
    }

    sluice_logf(SLUICE_LEVEL_INFO, "masking card numbers, keeping the last %lld digits", (long long)self.keep);

    for (size_t i = 0; i < self.write.count; i++) {
        sluice_want(interest, self.write.items[i]);
    }
    for (size_t i = 0; i < self.read.count; i++) {
        sluice_want(interest, self.read.items[i]);
    }
    interest->view = SLUICE_VIEW_ALL;
    interest->key_positions = true;
    return true;
}

SLUICE_LIFECYCLE(describe, configure)
SLUICE_REQUESTS(on_request)
SLUICE_RESPONSES(on_response)
