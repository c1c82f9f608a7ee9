/*
 * Passwords in arguments, files, and from the terminal.
 */
#include "cli/secret.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <termios.h>

#include "cli/cli.h"

/* --- Arguments ------------------------------------------------------------------------------- */

static bool secret_overwrite(char *from, const char *to) {
    if (from >= to) return false;
    memset(from, '*', (size_t)(to - from));
    return true;
}

/* The user's part of a URI in `text`, from behind "://" to the last @; false: it has none. Where a
 * password is not percent-encoded it ends where nobody knows, hence the last one. */
static bool secret_user_of(const char *text, const char **begin, const char **end) {
    const char *scheme = strstr(text, "mongodb");
    *begin = scheme ? strstr(scheme, "://") : NULL;
    if (!*begin) return false;
    *begin += strlen("://");
    *end = strrchr(*begin, '@');
    return *end != NULL;
}

static bool secret_hide_in_uri(char *text) {
    const char *begin, *end;
    if (!secret_user_of(text, &begin, &end)) return false;
    char *colon = memchr(begin, ':', (size_t)(end - begin));
    return colon && secret_overwrite(colon + 1, end);
}

/* USER:PASSWORD, all of it. */
static bool secret_hide_user(char *text) {
    return text && *text != '-' && strchr(text, ':') && secret_overwrite(text, strchr(text, '\0'));
}

/* --auth USER:PASSWORD or --auth=USER:PASSWORD, however abbreviated. */
static bool secret_hide_auth(char *argument, char *next) {
    size_t length = strcspn(argument, "=");
    if (length < strlen("--a") || strncmp(argument, "--auth", length) != 0) return false;
    return secret_hide_user(argument[length] ? argument + length + 1 : next);
}

/* True if there was a password. */
static bool secret_hide_all(int argc, char **argv) {
    bool found = false, sandbox = false, own = true; /* not those of a sandbox's command */
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "sandbox") == 0) sandbox = true;
        if (strcmp(argv[i], "--") == 0) own = false;
        if (sandbox && own && secret_hide_auth(argv[i], argv[i + 1])) found = true;
        if (secret_hide_in_uri(argv[i])) found = true;
    }
    return found;
}

/* In one block, whatever becomes of its pointers. */
static char **secret_copy(int argc, char **argv) {
    static char **copies __attribute__((used)); /* or a leak checker would complain */
    size_t bytes = ((size_t)argc + 1) * sizeof *copies;
    for (int i = 0; i < argc; i++) bytes += strlen(argv[i]) + 1;
    copies = bson_malloc0(bytes);
    char *end = (char *)(copies + argc + 1);
    for (int i = 0; i < argc; i++) {
        copies[i] = end;
        end = stpcpy(end, argv[i]) + 1;
    }
    return copies;
}

char **mouv_cli_secret_arguments(int argc, char **argv) {
    char **copies = secret_copy(argc, argv);
    if (secret_hide_all(argc, argv))
        mouv_cli_complain("warning", "a password among the arguments can be seen by everybody on "
                                     "this machine while a program starts; --uri-file, MONGODB_URI "
                                     "and the terminal are safe, and so is sandbox --auth alone");
    return copies;
}

/* --- Files ----------------------------------------------------------------------------------- */

static char *secret_first_line(FILE *file) {
    char *line = NULL;
    size_t size = 0;
    ssize_t length = getline(&line, &size, file);
    while (length > 0 && isspace((unsigned char)line[length - 1])) line[--length] = '\0';
    if (length > 0) return line;
    free(line);
    return NULL;
}

const char *mouv_cli_secret_uri_file(const struct argp_state *state, const char *path) {
    static char *uri; /* as argv, it stays */
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "re");
    if (!file) mouv_cli_usage(state, "--uri-file: %s: %s", path, strerror(errno));
    if (standard) setvbuf(stdin, NULL, _IONBF, 0); /* the rest is for who reads the descriptor */
    free(uri);
    uri = secret_first_line(file);
    if (!uri) mouv_cli_usage(state, "--uri-file: %s: there is no URI in its first line", path);
    if (!standard) fclose(file);
    return uri;
}

/* --- The terminal ---------------------------------------------------------------------------- */

/* Asks for the password of the user in `begin` to `end`. What is typed is not shown; asked only then,
 * so that nothing of a quick answer is. NULL: nothing was typed. */
static char *secret_ask(FILE *terminal, const char *begin, const char *end) {
    struct termios before, unseen;
    if (tcgetattr(fileno(terminal), &before) != 0) return NULL;
    unseen = before;
    unseen.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(fileno(terminal), TCSAFLUSH, &unseen);
    fprintf(terminal, "Password of %.*s: ", (int)(end - begin), begin);
    fflush(terminal);
    char *line = secret_first_line(terminal);
    tcsetattr(fileno(terminal), TCSAFLUSH, &before);
    fputc('\n', terminal);
    return line;
}

/* Mechanisms by which nobody has a password. */
static bool secret_is_wanted(const char *uri) {
    static const char *const without[] = {"MONGODB-X509", "MONGODB-AWS", "MONGODB-OIDC", "GSSAPI"};
    for (size_t i = 0; i < sizeof without / sizeof *without; i++)
        if (strcasestr(uri, without[i])) return false;
    return true;
}

static const char *secret_with_password(const char *uri, const char *at, const char *password) {
    static char *whole; /* as argv, it stays */
    size_t size;
    FILE *out = open_memstream(&whole, &size);
    if (!out) return uri;
    fprintf(out, "%.*s:", (int)(at - uri), uri);
    mouv_cli_secret_put_escaped(out, password);
    fputs(at, out);
    fclose(out);
    return whole;
}

const char *mouv_cli_secret_complete(const char *uri) {
    const char *begin, *at;
    if (!secret_user_of(uri, &begin, &at) || begin == at || !secret_is_wanted(uri)) return uri;
    if (memchr(begin, ':', (size_t)(at - begin)) || memchr(begin, '/', (size_t)(at - begin)))
        return uri;
    FILE *terminal = fopen("/dev/tty", "r+e");
    if (!terminal) return uri;
    char *password = secret_ask(terminal, begin, at);
    fclose(terminal);
    if (password) uri = secret_with_password(uri, at, password);
    free(password);
    return uri;
}

/* --- Making ---------------------------------------------------------------------------------- */

void mouv_cli_secret_random(char text[SECRET_RANDOM_SIZE]) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567"; /* 5 bits each */
    unsigned char bytes[SECRET_RANDOM_SIZE - 1];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        mouv_cli_complain("random", "%s", strerror(errno));
        exit(CLI_FAILED);
    }
    for (size_t i = 0; i < sizeof bytes; i++) text[i] = letters[bytes[i] % 32];
    text[sizeof bytes] = '\0';
}

void mouv_cli_secret_put_escaped(FILE *out, const char *text) {
    for (; *text; text++) {
        if (isalnum((unsigned char)*text))
            fputc(*text, out);
        else
            fprintf(out, "%%%02X", (unsigned)(unsigned char)*text);
    }
}
