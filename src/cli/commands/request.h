/*
 * A command line turned into a query document: what `mouv find shop.users '{"age": 30}' --limit 3`
 * and the line {"find": "shop.users", "filter": {"age": 30}, "limit": 3} have in common.
 */
#ifndef MOUV_CLI_COMMANDS_REQUEST_H
#define MOUV_CLI_COMMANDS_REQUEST_H

#include <argp.h>
#include <stdbool.h>

#include "cli/cli.h"
#include "cli/commands/job.h"

/* How the text of an argument becomes a field. The kinds of json.h stand for themselves. */
enum {
    CLI_AS_TEXT = 0x10,
    CLI_AS_NUMBER = 0x20,
    CLI_AS_TRUE = 0x40,
    CLI_AS_FALSE = 0x80,
    CLI_AS_FIELDS = 0x100, /* a document whose fields are added */
    CLI_AS_HINT = 0x200,   /* a document, or the name of an index */
    CLI_AS_STREAM = 0x400, /* "-" is left to the command: the field becomes null */
    CLI_AS_JSON = 0x3      /* the mask of json.h's kinds */
};

/* The data commands' own options; a command lists those that it takes. */
enum cli_option_key {
    CLI_OPT_SORT = 0x200,
    CLI_OPT_PROJECTION,
    CLI_OPT_SKIP,
    CLI_OPT_LIMIT,
    CLI_OPT_BATCH_SIZE,
    CLI_OPT_HINT,
    CLI_OPT_ESTIMATED,
    CLI_OPT_MANY,
    CLI_OPT_UPSERT,
    CLI_OPT_REPLACE,
    CLI_OPT_ARRAY_FILTERS,
    CLI_OPT_UNORDERED,
    CLI_OPT_OPTIONS
};

#define CLI_OPTION_SKIP \
    { "skip", CLI_OPT_SKIP, "N", 0, "Leave the first N out", 0 }
#define CLI_OPTION_LIMIT \
    { "limit", CLI_OPT_LIMIT, "N", 0, "At most N", 0 }
#define CLI_OPTION_BATCH_SIZE \
    { "batch-size", CLI_OPT_BATCH_SIZE, "N", 0, "Documents that the server sends at a time", 0 }
#define CLI_OPTION_HINT \
    { "hint", CLI_OPT_HINT, "INDEX", 0, "Index to use: its name or its keys", 0 }
#define CLI_OPTION_OPTIONS \
    { "options", CLI_OPT_OPTIONS, "JSON", 0, "Further fields: collation, let, comment, ...", 0 }

enum { CLI_MOST_ARGUMENTS = 3 };

struct cli_argument {
    const char *field; /* its name in the query and in messages */
    unsigned as;
    bool optional;
};

struct cli_request_type {
    struct argp argp; /* options, parser, args_doc, doc: see CLI_REQUEST_ARGP */
    struct cli_argument arguments[CLI_MOST_ARGUMENTS];
    cli_job_fn_t run;
};

/* The parser and the children of each data command's argp. */
error_t mouv_cli_parse_request(int key, char *text, struct argp_state *state);
extern const struct argp_child mouv_cli_request_children[];

#define CLI_REQUEST_ARGP(options, args_doc, doc) \
    { options, mouv_cli_parse_request, args_doc, doc, mouv_cli_request_children, NULL, NULL }

/* A whole command: parses, builds the query, runs it. Returns the exit status. */
int mouv_cli_request(const struct cli_request_type *type, int argc, char **argv,
                     const struct cli_common *common);

#endif
