/* {{camel}}: refuses some commands, and fills in for keys that are not there. */
#include "sluice.h"

/* What a watched response comes back with. A transform that watches for several reasons has a tag for each. */
#define MISSING 1

/* One instance. Each worker of the proxy has one of its own, and gives it the requests of many sessions. */
static struct {
    sluice_names deny;    /* the commands to refuse, as the host's table names them: flushall, config|set */
    bool fills_in;        /* whether there is a text for keys that are not there: */
    sluice_bytes missing; /* what GET gives for them */
    sluice_series denied; /* a counter */
} self;

/* What the transform is: shown by `sluice plugin inspect`. */
static sluice_description describe(void) {
    return (sluice_description){
        .name = sluice_text("{{camel}}"),
        .version = sluice_text("0.1.0"),
        .summary = sluice_text("Refuses some commands, and fills in for keys that are not there."),
    };
}

/* Set up an instance. `document` is the transform's map in the topology, as JSON. A refusal is a sentence for the operator. */
static bool configure(sluice_bytes document, sluice_interest *interest, sluice_bytes *refusal) {
    static const char *const settings[] = {"deny", "missing"};
    const sluice_json *config = sluice_json_parse(document, refusal);
    if (config == NULL) {
        return false;
    }
    const sluice_json *unknown = sluice_json_unknown(config, settings, 2);
    if (unknown != NULL) {
        *refusal = sluice_format("unknown setting \"%.*s\": expected deny or missing", SLUICE_SHOW(unknown->name));
        return false;
    }
    sluice_names names = {0};
    const sluice_json *deny = sluice_json_member(config, "deny");
    if (deny != NULL && !sluice_json_names(deny, &names)) {
        *refusal = sluice_format("deny: found %.*s, expected a list of command names", SLUICE_SHOW(sluice_json_show(deny)));
        return false;
    }
    const sluice_json *missing = sluice_json_member(config, "missing");
    if (missing != NULL && missing->kind != SLUICE_JSON_TEXT) {
        *refusal = sluice_format("missing: found %.*s, expected text", SLUICE_SHOW(sluice_json_show(missing)));
        return false;
    }

    /* All of this memory goes when `configure` returns; what later calls need is kept. */
    self.deny = sluice_keep_names(names);
    self.fills_in = missing != NULL;
    self.missing = self.fills_in ? sluice_keep(missing->text) : sluice_text("");
    self.denied = sluice_counter("denied_total", NULL, 0, refusal);
    if (self.denied == SLUICE_NO_SERIES) {
        return false;
    }

    /* Only what it has to do with crosses into the transform; everything else goes past it, and costs nothing. */
    for (size_t i = 0; i < names.count; i++) {
        sluice_want(interest, names.items[i]);
    }
    if (self.fills_in) {
        sluice_want(interest, sluice_text("get"));
    }
    interest->view = SLUICE_VIEW_COMMAND;
    return true;
}

/* Judge a request. A verdict that is left alone forwards it as it is. */
static void on_request(const sluice_request *request, sluice_verdict *verdict) {
    if (sluice_covers(self.deny, request->command)) {
        sluice_logf(SLUICE_LEVEL_INFO, "denied %.*s", SLUICE_SHOW(request->command));
        sluice_count(self.denied, 1);
        sluice_reply(verdict, sluice_error(sluice_format("ERR '%.*s' is denied here", SLUICE_SHOW(request->command))));
    } else if (self.fills_in) {
        sluice_watch(verdict, MISSING);
    }
}

/* Look at the response to a request that was watched. A change that is left alone keeps it as it is. */
static void on_response(const sluice_response *response, sluice_change *change) {
    if (response->nodes[0].kind == SLUICE_NULL) {
        sluice_replace(change, sluice_bulk(self.missing));
    }
}

/* What the host calls, as world.wit says. */
SLUICE_LIFECYCLE(describe, configure)
SLUICE_REQUESTS(on_request)
SLUICE_RESPONSES(on_response)
