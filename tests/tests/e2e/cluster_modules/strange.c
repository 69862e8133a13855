/* A module with commands that no table knows. The functions that it needs of the server are asked for by their names, so that no header
 * of the server's is needed. */

#include <stddef.h>

typedef struct Context Context;
typedef struct String String;
typedef struct Reply Reply;
typedef int (*Command)(Context *, String **, int);

static int (*SetModuleAttribs)(Context *, const char *, int, int);
static int (*CreateCommand)(Context *, const char *, Command, const char *, int, int, int);
static Reply *(*Call)(Context *, const char *, const char *, ...);
static int (*ReplyWithCallReply)(Context *, Reply *);
static int (*ReplyWithLongLong)(Context *, long long);
static int (*WrongArity)(Context *);

/* STRANGE.SET key value */
static int set(Context *context, String **arguments, int count) {
    if (count != 3) return WrongArity(context);
    return ReplyWithCallReply(context, Call(context, "SET", "ss", arguments[1], arguments[2]));
}

/* STRANGE.GET key */
static int get(Context *context, String **arguments, int count) {
    if (count != 2) return WrongArity(context);
    return ReplyWithCallReply(context, Call(context, "GET", "s", arguments[1]));
}

/* STRANGE.SIZE */
static int size(Context *context, String **arguments, int count) {
    (void)arguments;
    if (count != 1) return WrongArity(context);
    return ReplyWithLongLong(context, 42);
}

int RedisModule_OnLoad(Context *context, String **arguments, int count) {
    (void)arguments;
    (void)count;
    int (*find)(const char *, void *) = ((int (**)(const char *, void *))context)[0];
    find("RedisModule_SetModuleAttribs", &SetModuleAttribs);
    find("RedisModule_CreateCommand", &CreateCommand);
    find("RedisModule_Call", &Call);
    find("RedisModule_ReplyWithCallReply", &ReplyWithCallReply);
    find("RedisModule_ReplyWithLongLong", &ReplyWithLongLong);
    find("RedisModule_WrongArity", &WrongArity);
    SetModuleAttribs(context, "strange", 1, 1);
    if (CreateCommand(context, "strange.set", set, "write", 1, 1, 1)) return 1;
    if (CreateCommand(context, "strange.get", get, "readonly", 1, 1, 1)) return 1;
    return CreateCommand(context, "strange.size", size, "readonly", 0, 0, 0);
}
