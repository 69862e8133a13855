/* Checks of sluice.h and of what stands in for WASI, where transforms run: `configure` makes them, and refuses with what failed. */
#include "sluice.h"

static sluice_description describe(void) {
    return (sluice_description){sluice_text("Checks"), sluice_text("0.1.0"), sluice_text("Cut in a character: \xc3")};
}

/* Every check gives NULL, or what is wrong. */
static const char *text_is_utf8(void) {
    static const char *const cases[][2] = {
        {"plain, \xc3\xa9, \xe2\x82\xac and \xf0\x9f\x8e\x88", "plain, \xc3\xa9, \xe2\x82\xac and \xf0\x9f\x8e\x88"},
        {"", ""},
        {"\xff", "?"},
        {"a\x80z", "a?z"},
        {"cut \xe2\x82", "cut ??"},
        {"cut \xf0\x9f\x8e", "cut ???"},
        {"overlong \xc0\xaf \xe0\x80\xaf \xf0\x80\x80\xaf", "overlong ?? ??? ????"},
        {"half a pair \xed\xa0\x80", "half a pair ???"},
        {"last \xed\x9f\xbf \xf4\x8f\xbf\xbf", "last \xed\x9f\xbf \xf4\x8f\xbf\xbf"},
        {"beyond \xf4\x90\x80\x80 \xf5\x80\x80\x80", "beyond ???? ????"},
        {"again \xe2\xc3\xa9", "again ?\xc3\xa9"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (!sluice_is(sluice_utf8(sluice_text(cases[i][0])), cases[i][1])) {
            return (const char *)sluice_format("case %zu", i).data;
        }
    }
    sluice_bytes plain = sluice_text("plain");
    return sluice_utf8(plain).data == plain.data ? NULL : "a copy of what is UTF-8";
}

static const char *metrics_take_any_bytes(void) {
    sluice_label label = sluice_make_label("client", "\xff");
    return sluice_counter("checks_total", &label, 1, NULL) != SLUICE_NO_SERIES ? NULL : "a label was refused";
}

static bool configure(sluice_bytes config, sluice_interest *interest, sluice_bytes *refusal) {
    static const struct {
        const char *name;
        const char *(*check)(void);
    } checks[] = {
        {"text is UTF-8", text_is_utf8},
        {"metrics take any bytes", metrics_take_any_bytes},
    };
    if (!sluice_is(config, "{}")) {
        *refusal = sluice_text("refused: \xff");
        return false;
    }
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        const char *wrong = checks[i].check();
        if (wrong != NULL) {
            *refusal = sluice_format("%s: %s", checks[i].name, wrong);
            return false;
        }
    }
    sluice_logf(SLUICE_LEVEL_INFO, "%zu checks", sizeof checks / sizeof *checks);
    sluice_want(interest, sluice_text("get"));
    interest->view = SLUICE_VIEW_ALL;
    return true;
}

static void on_request(const sluice_request *request, sluice_verdict *verdict) {
    if (sluice_is(request->args[1], "random")) {
        /* Whose errors nobody sees. */
        sluice_reply(verdict, sluice_integer(arc4random()));
        return;
    }
    sluice_logf(SLUICE_LEVEL_INFO, "asked for %.*s", SLUICE_SHOW(request->args[1]));
}

static void on_response(const sluice_response *response, sluice_change *change) {
    (void)response;
    (void)change;
}

SLUICE_LIFECYCLE(describe, configure)
SLUICE_REQUESTS(on_request)
SLUICE_RESPONSES(on_response)
