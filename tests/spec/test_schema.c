/*
 * The schema of the unified test format: cases of its own, and with MOUV_SPEC_TESTS, the folder of
 * MongoDB's test files, each file of it. Without that folder the rest is skipped (77).
 */
#include <fnmatch.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "spec/from_json.h"
#include "spec/schema.h"

/* --- Cases that need no folder --------------------------------------------------------------- */

#define ACCEPTED NULL

/** `why` of a file whose keys are these; ACCEPTED: none. */
typedef struct sample {
    const char *keys, *why;
} sample_t;

static void check_file(const char *json, const char *expected) {
    bson_t *file = from_json(json);
    char *why = NULL;
    bool ok = spec_schema_check(file, &why);
    if (ok != !expected || (why && (!expected || strcmp(why, expected) != 0))) {
        fail_msg("%s: '%s', expected '%s'", json, why ? why : "accepted",
                 expected ? expected : "accepted");
    }
    assert_int_equal(spec_schema_check(file, NULL), ok);
    free(why);
    bson_destroy(file);
}

/** Each sample's keys in place of %s. */
static void check_samples(const char *file, const sample_t *samples) {
    const char *hole = strstr(file, "%s");
    for (; samples->keys; samples++) {
        char *json =
            bson_strdup_printf("%.*s%s%s", (int)(hole - file), file, samples->keys, hole + 2);
        check_file(json, samples->why);
        bson_free(json);
    }
}

#define CHECK(file, ...) check_samples((file), (const sample_t[]){__VA_ARGS__, {0}})

#define A_TEST "{'description': 't', 'operations': []}"
#define IN_FILE "{'description': 'd', 'schemaVersion': '1.0', 'tests': [" A_TEST "], %s}"
#define IN_TEST \
    "{'description': 'd', 'schemaVersion': '1.0', " \
    "'tests': [" A_TEST ", {'description': 't', 'operations': [], %s}]}"
#define IN_OPERATION \
    "{'description': 'd', 'schemaVersion': '1.0', 'tests': [{'description': 't', 'operations': " \
    "[{'name': 'n', 'object': 'o'}, {'name': 'n', 'object': 'o', %s}]}]}"
#define IN_CLIENT \
    "{'description': 'd', 'schemaVersion': '1.0', 'tests': [" A_TEST "], 'createEntities': " \
    "[{'client': {'id': 'c', %s}}]}"

static void a_file_has_a_description_a_version_and_tests(void **state) {
    (void)state;
    CHECK("{%s}", {"'description': 'd', 'schemaVersion': '1.0', 'tests': [" A_TEST "]", ACCEPTED},
          {"'tests': [" A_TEST "], 'schemaVersion': '1.0', 'description': 'd'", ACCEPTED},
          {"", "missing key 'description'"},
          {"'description': 'd', 'tests': [" A_TEST "]", "missing key 'schemaVersion'"},
          {"'description': 'd', 'schemaVersion': '1.0'", "missing key 'tests'"},
          {"'description': 'd', 'schemaVersion': '1.0', 'tests': []",
           "tests: expected at least 1 element(s), got 0"},
          {"'description': 'd', 'schemaVersion': '1.0', 'tests': [" A_TEST ", 1]",
           "tests[1]: expected object, got int 1"},
          {"'description': 1, 'schemaVersion': '1.0', 'tests': [" A_TEST "]",
           "description: expected string, got int 1"});
    CHECK(IN_FILE, {"'foo': 0", "unknown key 'foo'"},
          {"'_yamlAnchors': {'anything': [1, {'at': 'all'}]}", ACCEPTED});
}

static void versions_up_to_the_newest_known_are_accepted(void **state) {
    (void)state;
    CHECK("{'description': 'd', 'tests': [" A_TEST "], 'schemaVersion': %s}", {"'1.0'", ACCEPTED},
          {"'1.0.7'", ACCEPTED}, {"'1.9'", ACCEPTED}, {"'" SPEC_SCHEMA_VERSION "'", ACCEPTED},
          {"'1.999'",
           "schemaVersion: version 1.999 is not supported, 1.0 to " SPEC_SCHEMA_VERSION " are"},
          {"'0.9'",
           "schemaVersion: version 0.9 is not supported, 1.0 to " SPEC_SCHEMA_VERSION " are"},
          {"'2.0'",
           "schemaVersion: version 2.0 is not supported, 1.0 to " SPEC_SCHEMA_VERSION " are"},
          {"'1.99999999999999999999'", "schemaVersion: version 1.99999999999999999999 is not "
                                       "supported, 1.0 to " SPEC_SCHEMA_VERSION " are"},
          {"'1'", "schemaVersion: '1' is not a version"},
          {"''", "schemaVersion: '' is not a version"},
          {"'1.'", "schemaVersion: '1.' is not a version"},
          {"'1.0.0.0'", "schemaVersion: '1.0.0.0' is not a version"},
          {"'1.x'", "schemaVersion: '1.x' is not a version"},
          {"' 1.0'", "schemaVersion: ' 1.0' is not a version"},
          {"1.5", "schemaVersion: expected string, got double 1.5"});
}

static void the_newest_known_version_is_what_the_numbers_say(void **state) {
    (void)state;
    char text[16];
    snprintf(text, sizeof text, "%d.%d", SPEC_SCHEMA_VERSION_MAJOR, SPEC_SCHEMA_VERSION_MINOR);
    assert_string_equal(text, SPEC_SCHEMA_VERSION);
    snprintf(text, sizeof text, "%d.%d", SPEC_SCHEMA_VERSION_MAJOR, SPEC_SCHEMA_VERSION_MINOR + 1);
    char *json = bson_strdup_printf("{'description': 'd', 'schemaVersion': '%s', 'new': 1}", text);
    char *why = bson_strdup_printf("schemaVersion: version %s is not supported, 1.0 to %s are",
                                   text, SPEC_SCHEMA_VERSION);
    check_file(json, why); /* before anything that the newer version may have brought */
    bson_free(json);
    bson_free(why);
}

static void requirements(void **state) {
    (void)state;
    CHECK(IN_FILE,
          {"'runOnRequirements': [{'minServerVersion': '4.0', 'maxServerVersion': '5.0.99', "
           "'topologies': ['single', 'replicaset', 'sharded', 'sharded-replicaset', "
           "'load-balanced'], 'serverless': 'allow', 'serverParameters': {'a': 1}, 'auth': true, "
           "'authMechanism': 'PLAIN', 'csfle': true}]",
           ACCEPTED},
          {"'runOnRequirements': [{'csfle': {'minLibmongocryptVersion': '1.15.0'}}]", ACCEPTED},
          {"'runOnRequirements': [{'csfle': {}}]",
           "runOnRequirements[0].csfle: expected at least 1 key(s), got 0"},
          {"'runOnRequirements': [{'csfle': 'yes'}]",
           "runOnRequirements[0].csfle: expected boolean or object, got string \"yes\""},
          {"'runOnRequirements': []", "runOnRequirements: expected at least 1 element(s), got 0"},
          {"'runOnRequirements': [{'auth': true}, {}]",
           "runOnRequirements[1]: expected at least 1 key(s), got 0"},
          {"'runOnRequirements': [{'serverParameters': {}}]",
           "runOnRequirements[0].serverParameters: expected at least 1 key(s), got 0"},
          {"'runOnRequirements': [{'topologies': ['single', 'ring']}]",
           "runOnRequirements[0].topologies[1]: 'ring' is none of single, replicaset, sharded, "
           "sharded-replicaset, load-balanced"},
          {"'runOnRequirements': [{'minServerVersion': '4'}]",
           "runOnRequirements[0].minServerVersion: '4' is not a version"});
    CHECK(IN_TEST, {"'runOnRequirements': [{'auth': 1}]",
                    "tests[1].runOnRequirements[0].auth: expected boolean, got int 1"});
}

static void entities(void **state) {
    (void)state;
    CHECK(IN_FILE,
          {"'createEntities': ["
           "{'database': {'id': 'd', 'client': 'c', 'databaseName': 'n', 'databaseOptions': "
           "{'readConcern': {}, 'readPreference': {}, 'writeConcern': {}, 'timeoutMS': 5}}}, "
           "{'collection': {'id': 'd', 'database': 'c', 'collectionName': 'n', "
           "'collectionOptions': {}}}, {'session': {'id': 's', 'client': 'c', "
           "'sessionOptions': {'any': 1}}}, {'bucket': {'id': 's', 'database': 'c', "
           "'bucketOptions': {'any': 1}}}, {'thread': {'id': 't'}}]",
           ACCEPTED},
          {"'createEntities': [{}]", "createEntities[0]: expected at least 1 key(s), got 0"},
          {"'createEntities': [{'thread': {'id': 't'}, 'client': {'id': 'c'}}]",
           "createEntities[0]: expected at most 1 key(s), got 2"},
          {"'createEntities': [{'stream': {'id': 't', 'hexBytes': ''}}]",
           "createEntities[0]: unknown key 'stream'"},
          {"'createEntities': [{'thread': {}}]", "createEntities[0].thread: missing key 'id'"},
          {"'createEntities': [{'database': {'id': 'd', 'client': 'c', 'databaseName': 'n', "
           "'databaseOptions': {'timeoutMS': 1.5}}}]",
           "createEntities[0].database.databaseOptions.timeoutMS: expected integer, got double "
           "1.5"});
}

static void clients(void **state) {
    (void)state;
    CHECK(IN_CLIENT,
          {"'uriOptions': {'any': 1}, 'useMultipleMongoses': false, 'observeEvents': "
           "['commandStartedEvent', 'connectionPendingResponseFailed'], "
           "'ignoreCommandMonitoringEvents': ['ping'], 'storeEventsAsEntities': [{'id': 'e', "
           "'events': ['CommandStartedEvent']}], 'observeLogMessages': {'command': 'debug'}, "
           "'observeTracingMessages': {'enableCommandPayload': true}, 'serverApi': {'version': "
           "'1', 'strict': true, 'deprecationErrors': false}, 'observeSensitiveCommands': true, "
           "'awaitMinPoolSizeMS': {'$numberLong': '500'}",
           ACCEPTED},
          {"'observeEvents': ['CommandStartedEvent']",
           "createEntities[0].client.observeEvents[0]: 'CommandStartedEvent' is none of "
           "commandStartedEvent, commandSucceededEvent, commandFailedEvent, poolCreatedEvent, "
           "poolReadyEvent, poolClearedEvent, poolClosedEvent, connectionCreatedEvent, "
           "connectionReadyEvent, connectionClosedEvent, connectionCheckOutStartedEvent, "
           "connectionCheckOutFailedEvent, connectionCheckedOutEvent, connectionCheckedInEvent, "
           "connectionPendingResponseSucceeded, connectionPendingResponseStarted, "
           "connectionPendingResponseFailed, serverDescriptionChangedEvent, "
           "topologyDescriptionChangedEvent, topologyOpeningEvent, topologyClosedEvent"},
          {"'observeLogMessages': {}",
           "createEntities[0].client.observeLogMessages: expected at least 1 key(s), got 0"},
          {"'observeLogMessages': {'command': 'loud'}",
           "createEntities[0].client.observeLogMessages.command: 'loud' is none of emergency, "
           "alert, critical, error, warning, notice, info, debug, trace"},
          {"'storeEventsAsEntities': [{'id': 'e', 'events': []}]",
           "createEntities[0].client.storeEventsAsEntities[0].events: expected at least 1 "
           "element(s), got 0"});
}

static void encryption(void **state) {
    (void)state;
    CHECK(IN_CLIENT,
          {"'autoEncryptOpts': {'keyVaultNamespace': 'k.v', 'kmsProviders': {'aws': "
           "{'accessKeyId': {'$$placeholder': 1}, 'secretAccessKey': 's', 'sessionToken': 's'}, "
           "'local:name_2': {'key': {'$$placeholder': {}}}, 'kmip': {}}, 'schemaMap': {'a.b': {}}, "
           "'extraOptions': {'any': 1}, 'encryptedFieldsMap': {'a.b': {'any': 1}}, "
           "'bypassAutoEncryption': true, 'bypassQueryAnalysis': true, 'keyExpirationMS': 1.0}",
           ACCEPTED},
          {"'autoEncryptOpts': {'keyVaultNamespace': 'k.v', 'kmsProviders': {}, 'schemaMap': "
           "{'a.b': 1}}",
           "createEntities[0].client.autoEncryptOpts.schemaMap.a.b: expected object, got int 1"},
          {"'autoEncryptOpts': {'keyVaultNamespace': 'k.v'}",
           "createEntities[0].client.autoEncryptOpts: missing key 'kmsProviders'"});
    CHECK("{'description': 'd', 'schemaVersion': '1.8', 'tests': [" A_TEST "], 'createEntities': "
          "[{'clientEncryption': {'id': 'e', 'clientEncryptionOpts': {'keyVaultClient': 'c', "
          "'keyVaultNamespace': 'k.v', 'kmsProviders': %s}}}]}",
          {"{'azure:a': {'tenantId': 't'}, 'gcp': {'email': 'e'}}", ACCEPTED},
          {"{'aws:': {}}", "createEntities[0].clientEncryption.clientEncryptionOpts.kmsProviders: "
                           "unknown key 'aws:'"},
          {"{'aws:a-b': {}}", "createEntities[0].clientEncryption.clientEncryptionOpts."
                              "kmsProviders: unknown key 'aws:a-b'"},
          {"{'awsome': {}}", "createEntities[0].clientEncryption.clientEncryptionOpts."
                             "kmsProviders: unknown key 'awsome'"},
          {"{'local': {'key': {'$$placeholder': 1, 'x': 1}}}",
           "createEntities[0].clientEncryption.clientEncryptionOpts.kmsProviders.local.key: "
           "unknown key 'x'"},
          {"{'local': {'key': 1}}",
           "createEntities[0].clientEncryption.clientEncryptionOpts.kmsProviders.local.key: "
           "expected string or object, got int 1"});
}

static void data(void **state) {
    (void)state;
    CHECK(IN_FILE,
          {"'initialData': [{'collectionName': 'c', 'databaseName': 'd', 'createOptions': "
           "{'capped': true}, 'documents': [{}, {'any': 1}]}]",
           ACCEPTED},
          {"'initialData': [{'collectionName': 'c', 'databaseName': 'd', 'createOptions': "
           "{'writeConcern': {}}, 'documents': []}]",
           "initialData[0].createOptions: key 'writeConcern' is not allowed"},
          {"'initialData': [{'collectionName': 'c', 'databaseName': 'd', 'documents': [1]}]",
           "initialData[0].documents[0]: expected object, got int 1"});
    CHECK(IN_TEST, {"'outcome': [{'collectionName': 'c', 'databaseName': 'd'}]",
                    "tests[1].outcome[0]: missing key 'documents'"});
}

static void operations(void **state) {
    (void)state;
    CHECK(IN_OPERATION, {"'arguments': {'any': 1}, 'expectResult': 5", ACCEPTED},
          {"'expectResult': null, 'saveResultAsEntity': 's'", ACCEPTED},
          {"'ignoreResultAndError': true", ACCEPTED},
          {"'foo': 1", "tests[0].operations[1]: unknown key 'foo'"},
          {"'expectError': {'isError': true}, 'expectResult': 1",
           "tests[0].operations[1]: 'expectError' and 'expectResult' exclude each other"},
          {"'expectError': {'isError': true}, 'saveResultAsEntity': 's'",
           "tests[0].operations[1]: 'expectError' and 'saveResultAsEntity' exclude each other"},
          {"'ignoreResultAndError': true, 'expectResult': 1",
           "tests[0].operations[1]: 'ignoreResultAndError' and 'expectResult' exclude each other"},
          {"'expectError': {'isError': true}, 'ignoreResultAndError': false",
           "tests[0].operations[1]: 'ignoreResultAndError' and 'expectError' exclude each other"},
          {"'ignoreResultAndError': true, 'saveResultAsEntity': 's'",
           "tests[0].operations[1]: 'ignoreResultAndError' and 'saveResultAsEntity' exclude each "
           "other"});
}

static void errors(void **state) {
    (void)state;
    CHECK(IN_OPERATION,
          {"'expectError': {'isClientError': false, 'isTimeoutError': true, 'errorContains': 'e', "
           "'errorCode': 5, 'errorCodeName': 'n', 'errorLabelsContain': ['l'], "
           "'errorLabelsOmit': ['l'], 'writeErrors': {'0': {'code': 1}}, 'writeConcernErrors': "
           "[{'code': 1}], 'errorResponse': {'any': 1}, 'expectResult': [1]}",
           ACCEPTED},
          {"'expectError': {}",
           "tests[0].operations[1].expectError: expected at least 1 key(s), got 0"},
          {"'expectError': {'isError': false}",
           "tests[0].operations[1].expectError.isError: expected true, got false"},
          {"'expectError': {'errorCode': 1.5}",
           "tests[0].operations[1].expectError.errorCode: expected integer, got double 1.5"},
          {"'expectError': {'errorLabelsOmit': []}",
           "tests[0].operations[1].expectError.errorLabelsOmit: expected at least 1 element(s), "
           "got 0"});
}

static void events_are_of_their_type(void **state) {
    (void)state;
    CHECK(IN_TEST,
          {"'expectEvents': [{'client': 'c', 'events': []}, {'client': 'c', 'eventType': "
           "'command', 'events': [{'commandStartedEvent': {'command': {'any': 1}, 'commandName': "
           "'n', 'databaseName': 'd', 'hasServiceId': true, 'hasServerConnectionId': true}}, "
           "{'commandSucceededEvent': {'reply': {}}}, {'commandFailedEvent': {}}], "
           "'ignoreExtraEvents': true}]",
           ACCEPTED},
          {"'expectEvents': [{'events': [{'poolClearedEvent': {'hasServiceId': true, "
           "'interruptInUseConnections': true}}, {'connectionClosedEvent': {'reason': 'r'}}], "
           "'client': 'c', 'eventType': 'cmap'}]",
           ACCEPTED},
          {"'expectEvents': [{'client': 'c', 'eventType': 'sdam', 'events': ["
           "{'serverDescriptionChangedEvent': {'newDescription': {'type': 'RSPrimary'}}}, "
           "{'topologyDescriptionChangedEvent': {'previousDescription': {'type': 'Sharded'}}}, "
           "{'serverHeartbeatFailedEvent': {'awaited': true}}, {'topologyClosedEvent': {}}]}]",
           ACCEPTED},
          {"'expectEvents': [{'client': 'c', 'events': [{'poolReadyEvent': {}}]}]",
           "tests[1].expectEvents[0].events[0]: unknown key 'poolReadyEvent'"},
          {"'expectEvents': [{'client': 'c', 'eventType': 'cmap', 'events': "
           "[{'poolReadyEvent': {}}, {'commandFailedEvent': {}}]}]",
           "tests[1].expectEvents[0].events[1]: unknown key 'commandFailedEvent'"},
          {"'expectEvents': [{'client': 'c', 'eventType': 'sdam', 'events': "
           "[{'poolReadyEvent': {}}]}]",
           "tests[1].expectEvents[0].events[0]: unknown key 'poolReadyEvent'"},
          {"'expectEvents': [{'client': 'c', 'eventType': 'all', 'events': []}]",
           "tests[1].expectEvents[0].eventType: 'all' is none of command, cmap, sdam"},
          {"'expectEvents': [{'client': 'c', 'events': [{}]}]",
           "tests[1].expectEvents[0].events[0]: expected at least 1 key(s), got 0"},
          {"'expectEvents': [{'client': 'c', 'eventType': 'cmap', 'events': "
           "[{'poolReadyEvent': {'x': 1}}]}]",
           "tests[1].expectEvents[0].events[0].poolReadyEvent: unknown key 'x'"},
          {"'expectEvents': [{'client': 'c', 'events': 1}]",
           "tests[1].expectEvents[0].events: expected array, got int 1"});
}

static void log_messages_and_spans(void **state) {
    (void)state;
    CHECK(IN_TEST,
          {"'expectLogMessages': [{'client': 'c', 'messages': [{'level': 'debug', 'component': "
           "'connection', 'data': {}, 'failureIsRedacted': true}], 'ignoreExtraMessages': true, "
           "'ignoreMessages': []}]",
           ACCEPTED},
          {"'expectLogMessages': [{'client': 'c', 'messages': [{'level': 'debug', 'data': {}}]}]",
           "tests[1].expectLogMessages[0].messages[0]: missing key 'component'"},
          {"'expectTracingMessages': [{'client': 'c', 'ignoreExtraSpans': true, 'spans': "
           "[{'name': 'n', 'attributes': {'any': 1}, 'nested': [{'name': 'n', 'attributes': {}}]}"
           "]}]",
           ACCEPTED},
          {"'expectTracingMessages': [{'client': 'c', 'spans': [{'name': 'n', 'attributes': {}, "
           "'nested': [{'name': 'n', 'attributes': {}, 'nested': [{'name': 1, 'attributes': "
           "{}}]}]}]}]",
           "tests[1].expectTracingMessages[0].spans[0].nested[0].nested[0].name: expected string, "
           "got int 1"});
}

/* --- Every file of the folder ---------------------------------------------------------------- */

typedef struct count {
    size_t accepted, refused, wrong;
} count_t;
static count_t count; /* nftw() has no context */

static bson_t *read_file(const char *path) {
    bson_error_t error;
    bson_t *file = bson_new();
    bson_json_reader_t *reader = bson_json_reader_new_from_file(path, &error);
    int rc = reader ? bson_json_reader_read(reader, file, &error) : -1;
    if (rc != 1) fprintf(stderr, "%s: %s\n", path, error.message);
    if (reader) bson_json_reader_destroy(reader);
    if (rc == 1) return file;
    bson_destroy(file);
    return NULL;
}

/**
 * What a file of "invalid" is refused for, by its name: "OBJECT-PROPERTY-KEYWORD", the keyword
 * being one of JSON schema. %s is the property.
 */
static const struct reason {
    const char *name, *why;
} reasons[] = {
    {"entity-stream-*", "]: unknown key 'stream'"}, /* no longer in the format */
    {"operation-expectEvents-type", "]: unknown key 'expectEvents'"},
    {"entity-client-observeLogMessages-property-type", ".observeLogMessages.command: expected "},
    {"entity-client-observeLogMessages-property-value", "' is none of emergency, "},
    {"clientEncryptionOpts-kmsProviders-invalidName", ".kmsProviders: unknown key 'aws:"},
    {"clientEncryptionOpts-tlsOptions_not_supported", ": unknown key 'tlsOptions'"},
    {"*-events_conflicts_with_*", ".events[0]: unknown key '"},
    {"*-conflicts_with_*", "%s' and '"},
    {"*-required", "missing key '%s'"},
    {"*-type", "%s: expected "},
    {"*-items", "%s[0]: expected "},
    {"*-enum", "' is none of "},
    {"*-const", "%s: expected true, got "},
    {"*-pattern", "%s: '"},
    {"*-minItems", "%s: expected at least 1 element(s), got 0"},
    {"*-minProperties", ": expected at least 1 key(s), got 0"},
    {"*-maxProperties", ": expected at most 1 key(s), got 2"},
    {"*-additionalProperties", ": unknown key '"},
};

/** Whether `why` is what the file is made to be refused for. */
static bool is_the_reason(const char *name, const char *why) {
    const struct reason *reason = reasons, *end = reasons + sizeof reasons / sizeof *reasons;
    while (reason < end && fnmatch(reason->name, name, 0) != 0) reason++;
    if (reason == end) return false;
    char property[100] = "", wanted[200];
    const char *keyword = strrchr(name, '-'), *start = keyword;
    while (start && start > name && start[-1] != '-') start--;
    if (keyword) snprintf(property, sizeof property, "%.*s", (int)(keyword - start), start);
    const char *hole = strstr(reason->why, "%s");
    if (!hole) return strstr(why, reason->why) != NULL;
    snprintf(wanted, sizeof wanted, "%.*s%s%s", (int)(hole - reason->why), reason->why, property,
             hole + 2);
    return strstr(why, wanted) != NULL;
}

/** Counts a file and tells what is wrong with it, or with how it was judged. */
static void judge(const char *name, const char *why, bool ok) {
    if (why) printf("    %s: %s\n", name, why);
    if (!ok) fprintf(stderr, "%s: wrongly %s\n", name, why ? "refused, or why" : "accepted");
    count.accepted += !why;
    count.refused += why != NULL;
    count.wrong += !ok;
}

static int check_path(const char *path, const struct stat *info, int kind, struct FTW *where) {
    (void)info;
    const char *file_name = path + where->base, *end = strrchr(file_name, '.');
    if (kind != FTW_F || !end || strcmp(end, ".json") != 0) return 0;
    char *name = bson_strndup(file_name, (size_t)(end - file_name)), *why = NULL;
    bson_t *file = read_file(path);
    if (!file || !spec_schema_check(file, &why)) {
        if (!why) why = strdup("cannot be read");
    }
    if (strstr(path, "/unified-test-format/invalid/")) {
        judge(name, why, why && is_the_reason(name, why));
    } else if (strcmp(name, "schemaVersion-unsupported") == 0) {
        judge(name, why, why && strstr(why, "schemaVersion: version 0.1 is not supported"));
    } else {
        judge(name, why, !why);
    }
    if (file) bson_destroy(file);
    free(why);
    bson_free(name);
    return 0;
}

static const char *spec_folder(void) {
    const char *folder = getenv("MOUV_SPEC_TESTS");
    struct stat info;
    return folder && stat(folder, &info) == 0 && S_ISDIR(info.st_mode) ? folder : NULL;
}

static void invalid_files_are_refused_for_their_reason_and_others_accepted(void **state) {
    (void)state;
    count = (count_t){0};
    assert_int_equal(nftw(spec_folder(), check_path, 16, FTW_PHYS), 0);
    printf("    %zu accepted, %zu refused, %zu of them wrongly\n", count.accepted, count.refused,
           count.wrong);
    assert_int_equal(count.wrong, 0);
    assert_true(count.accepted > 0);
    assert_true(count.refused > 0);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_file_has_a_description_a_version_and_tests),
        cmocka_unit_test(versions_up_to_the_newest_known_are_accepted),
        cmocka_unit_test(the_newest_known_version_is_what_the_numbers_say),
        cmocka_unit_test(requirements),
        cmocka_unit_test(entities),
        cmocka_unit_test(clients),
        cmocka_unit_test(encryption),
        cmocka_unit_test(data),
        cmocka_unit_test(operations),
        cmocka_unit_test(errors),
        cmocka_unit_test(events_are_of_their_type),
        cmocka_unit_test(log_messages_and_spans),
    };
    const struct CMUnitTest files[] = {
        cmocka_unit_test(invalid_files_are_refused_for_their_reason_and_others_accepted),
    };
    int failures = cmocka_run_group_tests(cases, NULL, NULL);
    if (failures > 0) return failures;
    if (!spec_folder()) {
        printf("skipped: MOUV_SPEC_TESTS names no folder of specification tests\n");
        return 77;
    }
    return cmocka_run_group_tests(files, NULL, NULL);
}
