/*
 * The JSON schema of MongoDB's unified test format as rules, from the innermost to the file. What a
 * newer version allows is allowed to a file that says it is of an older one, as in the format's own
 * schema files; the arguments of operations are left to who runs them.
 */
#include "spec/schema.h"

#include <stdlib.h>
#include <string.h>

#include "spec/place.h"
#include "spec/rule.h"

/* Rules end in _rule; the macros add that. */
#define LIST(...) \
    (const char *const[]) { \
        __VA_ARGS__, NULL \
    }
#define KEYS(...) \
    .keys = (const spec_key_t[]) { \
        __VA_ARGS__, { \
            0 \
        } \
    }
#define OPTIONAL(name, rule) \
    { name, &rule##_rule, SPEC_OPTIONAL }
#define REQUIRED(name, rule) \
    { name, &rule##_rule, SPEC_REQUIRED }
#define NAMED(name, rule) \
    { name, &rule##_rule, SPEC_NAMED }
#define RULE(name, ...) static const spec_rule_t name##_rule = {__VA_ARGS__}
#define OBJECT(name, ...) RULE(name, .types = SPEC_OBJECT, __VA_ARGS__)
#define ENUM(name, ...) RULE(name, .types = SPEC_STRING, .values = LIST(__VA_ARGS__))
#define ARRAY(name, of, at_least) \
    RULE(name, .types = SPEC_ARRAY, .elements = &of##_rule, .min_elements = (at_least))

/* --- Of every kind -------------------------------------------------------------------------- */

RULE(any, .types = SPEC_ANY);
RULE(string, .types = SPEC_STRING);
RULE(boolean, .types = SPEC_BOOLEAN);
RULE(integer, .types = SPEC_INTEGER);
RULE(version, .types = SPEC_STRING, .is_version = true);
OBJECT(object, .others = &any_rule);
OBJECT(objects_by_name, .others = &object_rule);
RULE(empty, .types = SPEC_OBJECT);
RULE(list, .types = SPEC_ARRAY);
ARRAY(objects, object, 0);
ARRAY(strings, string, 1);

/* --- What a test needs ---------------------------------------------------------------------- */

ENUM(topology, "single", "replicaset", "sharded", "sharded-replicaset", "load-balanced");
ARRAY(topologies, topology, 1);
ENUM(serverless, "require", "forbid", "allow");
OBJECT(server_parameters, .others = &any_rule, .min_keys = 1);
RULE(csfle, .types = SPEC_BOOLEAN | SPEC_OBJECT, .min_keys = 1,
     KEYS(OPTIONAL("minLibmongocryptVersion", version)));

OBJECT(requirement, .min_keys = 1,
       KEYS(OPTIONAL("maxServerVersion", version), OPTIONAL("minServerVersion", version),
            OPTIONAL("topologies", topologies), OPTIONAL("serverless", serverless),
            OPTIONAL("serverParameters", server_parameters), OPTIONAL("auth", boolean),
            OPTIONAL("authMechanism", string), OPTIONAL("csfle", csfle)));
ARRAY(requirements, requirement, 1);

/* --- Encryption ----------------------------------------------------------------------------- */

RULE(credential, .types = SPEC_STRING | SPEC_OBJECT, KEYS(REQUIRED("$$placeholder", any)));
OBJECT(aws, KEYS(OPTIONAL("accessKeyId", credential), OPTIONAL("secretAccessKey", credential),
                 OPTIONAL("sessionToken", credential)));
OBJECT(azure, KEYS(OPTIONAL("tenantId", credential), OPTIONAL("clientId", credential),
                   OPTIONAL("clientSecret", credential),
                   OPTIONAL("identityPlatformEndpoint", credential)));
OBJECT(gcp, KEYS(OPTIONAL("email", credential), OPTIONAL("privateKey", credential),
                 OPTIONAL("endpoint", credential)));
OBJECT(kmip, KEYS(OPTIONAL("endpoint", credential)));
OBJECT(local, KEYS(OPTIONAL("key", credential)));
OBJECT(kms_providers, KEYS(NAMED("aws", aws), NAMED("azure", azure), NAMED("gcp", gcp),
                           NAMED("kmip", kmip), NAMED("local", local)));
OBJECT(client_encryption_options,
       KEYS(REQUIRED("keyVaultClient", string), REQUIRED("keyVaultNamespace", string),
            REQUIRED("kmsProviders", kms_providers), OPTIONAL("keyExpirationMS", integer)));
OBJECT(auto_encryption_options,
       KEYS(REQUIRED("keyVaultNamespace", string), REQUIRED("kmsProviders", kms_providers),
            OPTIONAL("bypassAutoEncryption", boolean), OPTIONAL("schemaMap", objects_by_name),
            OPTIONAL("extraOptions", object), OPTIONAL("encryptedFieldsMap", objects_by_name),
            OPTIONAL("bypassQueryAnalysis", boolean), OPTIONAL("keyExpirationMS", integer)));

/* --- Entities ------------------------------------------------------------------------------- */

ENUM(observed_event, "commandStartedEvent", "commandSucceededEvent", "commandFailedEvent",
     "poolCreatedEvent", "poolReadyEvent", "poolClearedEvent", "poolClosedEvent",
     "connectionCreatedEvent", "connectionReadyEvent", "connectionClosedEvent",
     "connectionCheckOutStartedEvent", "connectionCheckOutFailedEvent", "connectionCheckedOutEvent",
     "connectionCheckedInEvent", "connectionPendingResponseSucceeded",
     "connectionPendingResponseStarted", "connectionPendingResponseFailed",
     "serverDescriptionChangedEvent", "topologyDescriptionChangedEvent", "topologyOpeningEvent",
     "topologyClosedEvent");
ARRAY(observed_events, observed_event, 1);

ENUM(stored_event, "PoolCreatedEvent", "PoolReadyEvent", "PoolClearedEvent", "PoolClosedEvent",
     "ConnectionCreatedEvent", "ConnectionReadyEvent", "ConnectionClosedEvent",
     "ConnectionCheckOutStartedEvent", "ConnectionCheckOutFailedEvent", "ConnectionCheckedOutEvent",
     "ConnectionCheckedInEvent", "CommandStartedEvent", "CommandSucceededEvent",
     "CommandFailedEvent", "ServerDescriptionChangedEvent", "TopologyDescriptionChangedEvent");
ARRAY(stored_events, stored_event, 1);
OBJECT(event_store, KEYS(REQUIRED("id", string), REQUIRED("events", stored_events)));
ARRAY(event_stores, event_store, 1);

ENUM(severity, "emergency", "alert", "critical", "error", "warning", "notice", "info", "debug",
     "trace");
OBJECT(observed_logs, .min_keys = 1,
       KEYS(OPTIONAL("command", severity), OPTIONAL("topology", severity),
            OPTIONAL("serverSelection", severity), OPTIONAL("connection", severity)));
OBJECT(observed_tracing, KEYS(OPTIONAL("enableCommandPayload", boolean)));
OBJECT(server_api, KEYS(REQUIRED("version", string), OPTIONAL("strict", boolean),
                        OPTIONAL("deprecationErrors", boolean)));
OBJECT(options, KEYS(OPTIONAL("readConcern", object), OPTIONAL("readPreference", object),
                     OPTIONAL("writeConcern", object), OPTIONAL("timeoutMS", integer)));

OBJECT(client,
       KEYS(REQUIRED("id", string), OPTIONAL("uriOptions", object),
            OPTIONAL("useMultipleMongoses", boolean), OPTIONAL("observeEvents", observed_events),
            OPTIONAL("ignoreCommandMonitoringEvents", strings),
            OPTIONAL("storeEventsAsEntities", event_stores),
            OPTIONAL("observeLogMessages", observed_logs),
            OPTIONAL("observeTracingMessages", observed_tracing), OPTIONAL("serverApi", server_api),
            OPTIONAL("observeSensitiveCommands", boolean),
            OPTIONAL("autoEncryptOpts", auto_encryption_options),
            OPTIONAL("awaitMinPoolSizeMS", integer)));
OBJECT(client_encryption,
       KEYS(REQUIRED("id", string), REQUIRED("clientEncryptionOpts", client_encryption_options)));
OBJECT(database, KEYS(REQUIRED("id", string), REQUIRED("client", string),
                      REQUIRED("databaseName", string), OPTIONAL("databaseOptions", options)));
OBJECT(collection,
       KEYS(REQUIRED("id", string), REQUIRED("database", string),
            REQUIRED("collectionName", string), OPTIONAL("collectionOptions", options)));
OBJECT(session, KEYS(REQUIRED("id", string), REQUIRED("client", string),
                     OPTIONAL("sessionOptions", object)));
OBJECT(bucket, KEYS(REQUIRED("id", string), REQUIRED("database", string),
                    OPTIONAL("bucketOptions", object)));
OBJECT(thread, KEYS(REQUIRED("id", string)));
OBJECT(entity, .min_keys = 1, .max_keys = 1,
       KEYS(OPTIONAL("client", client), OPTIONAL("clientEncryption", client_encryption),
            OPTIONAL("database", database), OPTIONAL("collection", collection),
            OPTIONAL("session", session), OPTIONAL("bucket", bucket), OPTIONAL("thread", thread)));
ARRAY(entities, entity, 1);

/* --- Data ----------------------------------------------------------------------------------- */

OBJECT(create_options, .others = &any_rule, KEYS({"writeConcern", NULL, SPEC_FORBIDDEN}));
OBJECT(data, KEYS(REQUIRED("collectionName", string), REQUIRED("databaseName", string),
                  OPTIONAL("createOptions", create_options), REQUIRED("documents", objects)));
ARRAY(initial_data, data, 1);

/* --- Events --------------------------------------------------------------------------------- */

#define COMMAND_KEYS \
    OPTIONAL("commandName", string), OPTIONAL("databaseName", string), \
        OPTIONAL("hasServiceId", boolean), OPTIONAL("hasServerConnectionId", boolean)
OBJECT(command_started, KEYS(OPTIONAL("command", object), COMMAND_KEYS));
OBJECT(command_succeeded, KEYS(OPTIONAL("reply", object), COMMAND_KEYS));
OBJECT(command_failed, KEYS(COMMAND_KEYS));
OBJECT(command_event, .min_keys = 1, .max_keys = 1,
       KEYS(OPTIONAL("commandStartedEvent", command_started),
            OPTIONAL("commandSucceededEvent", command_succeeded),
            OPTIONAL("commandFailedEvent", command_failed)));
ARRAY(command_events, command_event, 0);

OBJECT(pool_cleared,
       KEYS(OPTIONAL("hasServiceId", boolean), OPTIONAL("interruptInUseConnections", boolean)));
OBJECT(with_reason, KEYS(OPTIONAL("reason", string)));
OBJECT(cmap_event, .min_keys = 1, .max_keys = 1,
       KEYS(OPTIONAL("poolCreatedEvent", empty), OPTIONAL("poolReadyEvent", empty),
            OPTIONAL("poolClearedEvent", pool_cleared), OPTIONAL("poolClosedEvent", empty),
            OPTIONAL("connectionCreatedEvent", empty), OPTIONAL("connectionReadyEvent", empty),
            OPTIONAL("connectionClosedEvent", with_reason),
            OPTIONAL("connectionCheckOutStartedEvent", empty),
            OPTIONAL("connectionCheckOutFailedEvent", with_reason),
            OPTIONAL("connectionCheckedOutEvent", empty),
            OPTIONAL("connectionCheckedInEvent", empty),
            OPTIONAL("connectionPendingResponseStarted", empty),
            OPTIONAL("connectionPendingResponseSucceeded", empty),
            OPTIONAL("connectionPendingResponseFailed", with_reason)));
ARRAY(cmap_events, cmap_event, 0);

ENUM(server_type, "Standalone", "Mongos", "PossiblePrimary", "RSPrimary", "RSSecondary", "RSOther",
     "RSArbiter", "RSGhost", "LoadBalancer", "Unknown");
ENUM(topology_type, "Single", "Unknown", "ReplicaSetNoPrimary", "ReplicaSetWithPrimary", "Sharded",
     "LoadBalanced");
OBJECT(server, KEYS(OPTIONAL("type", server_type)));
OBJECT(topology_description, KEYS(OPTIONAL("type", topology_type)));
OBJECT(server_changed,
       KEYS(OPTIONAL("previousDescription", server), OPTIONAL("newDescription", server)));
OBJECT(topology_changed, KEYS(OPTIONAL("previousDescription", topology_description),
                              OPTIONAL("newDescription", topology_description)));
OBJECT(heartbeat, KEYS(OPTIONAL("awaited", boolean)));
OBJECT(sdam_event, .min_keys = 1, .max_keys = 1,
       KEYS(OPTIONAL("serverDescriptionChangedEvent", server_changed),
            OPTIONAL("topologyDescriptionChangedEvent", topology_changed),
            OPTIONAL("serverHeartbeatStartedEvent", heartbeat),
            OPTIONAL("serverHeartbeatSucceededEvent", heartbeat),
            OPTIONAL("serverHeartbeatFailedEvent", heartbeat),
            OPTIONAL("topologyOpeningEvent", empty), OPTIONAL("topologyClosedEvent", empty)));
ARRAY(sdam_events, sdam_event, 0);

ENUM(event_type, "command", "cmap", "sdam");
static const spec_choice_t events_by_type = {
    .of = "events",
    .by = "eventType",
    .cases = (const struct spec_choice_case[]){
        {"cmap", &cmap_events_rule}, {"sdam", &sdam_events_rule}, {NULL, &command_events_rule}}};
OBJECT(client_event, .choice = &events_by_type,
       KEYS(REQUIRED("client", string), OPTIONAL("eventType", event_type), REQUIRED("events", list),
            OPTIONAL("ignoreExtraEvents", boolean)));
ARRAY(events_of_clients, client_event, 1);

/* --- Log messages and spans ----------------------------------------------------------------- */

ENUM(component, "command", "topology", "serverSelection", "connection");
OBJECT(log_message, KEYS(REQUIRED("level", severity), REQUIRED("component", component),
                         REQUIRED("data", object), OPTIONAL("failureIsRedacted", boolean)));
ARRAY(log_messages, log_message, 0);
OBJECT(client_log,
       KEYS(REQUIRED("client", string), REQUIRED("messages", log_messages),
            OPTIONAL("ignoreExtraMessages", boolean), OPTIONAL("ignoreMessages", log_messages)));
ARRAY(logs_of_clients, client_log, 1);

static const spec_rule_t spans_rule; /* spans have spans in them */
OBJECT(span,
       KEYS(REQUIRED("name", string), REQUIRED("attributes", object), OPTIONAL("nested", spans)));
ARRAY(spans, span, 1);
OBJECT(client_tracing, KEYS(REQUIRED("client", string), OPTIONAL("ignoreExtraSpans", boolean),
                            REQUIRED("spans", spans)));
ARRAY(tracing_of_clients, client_tracing, 1);

/* --- Tests ---------------------------------------------------------------------------------- */

RULE(is_error, .types = SPEC_BOOLEAN, .is_true = true);
OBJECT(error, .min_keys = 1,
       KEYS(OPTIONAL("isError", is_error), OPTIONAL("isClientError", boolean),
            OPTIONAL("isTimeoutError", boolean), OPTIONAL("errorContains", string),
            OPTIONAL("errorCode", integer), OPTIONAL("errorCodeName", string),
            OPTIONAL("errorLabelsContain", strings), OPTIONAL("errorLabelsOmit", strings),
            OPTIONAL("writeErrors", object), OPTIONAL("writeConcernErrors", objects),
            OPTIONAL("errorResponse", object), OPTIONAL("expectResult", any)));

static const char *const operation_excludes[][2] = {
    {"expectError", "expectResult"},
    {"expectError", "saveResultAsEntity"},
    {"ignoreResultAndError", "expectResult"},
    {"ignoreResultAndError", "expectError"},
    {"ignoreResultAndError", "saveResultAsEntity"},
    {NULL, NULL},
};
OBJECT(operation, .exclusive = operation_excludes,
       KEYS(REQUIRED("name", string), REQUIRED("object", string), OPTIONAL("arguments", object),
            OPTIONAL("ignoreResultAndError", boolean), OPTIONAL("expectError", error),
            OPTIONAL("expectResult", any), OPTIONAL("saveResultAsEntity", string)));
ARRAY(operations, operation, 0);

OBJECT(test, KEYS(REQUIRED("description", string), OPTIONAL("runOnRequirements", requirements),
                  OPTIONAL("skipReason", string), REQUIRED("operations", operations),
                  OPTIONAL("expectEvents", events_of_clients),
                  OPTIONAL("expectLogMessages", logs_of_clients),
                  OPTIONAL("expectTracingMessages", tracing_of_clients),
                  OPTIONAL("outcome", initial_data)));
ARRAY(tests, test, 1);

OBJECT(file, KEYS(REQUIRED("description", string), REQUIRED("schemaVersion", version),
                  OPTIONAL("runOnRequirements", requirements), OPTIONAL("createEntities", entities),
                  OPTIONAL("initialData", initial_data), REQUIRED("tests", tests),
                  OPTIONAL("_yamlAnchors", object)));

/* --- The check ------------------------------------------------------------------------------ */

/** Says so if the file is of a version that is not known; what is no version breaks a rule. */
static bool check_version(const bson_t *file, spec_text_t *why) {
    static const spec_place_t top;
    const spec_place_t place = {&top, "schemaVersion", false};
    bson_iter_t iter;
    if (!bson_iter_init_find(&iter, file, place.key)) return true;
    const char *version = bson_iter_utf8(&iter, NULL);
    if (!version || !spec_is_version(version)) return true;
    char *minor;
    if (strtoul(version, &minor, 10) == SPEC_SCHEMA_VERSION_MAJOR &&
        strtoul(minor + 1, NULL, 10) <= SPEC_SCHEMA_VERSION_MINOR) {
        return true;
    }
    return spec_complain(why, &place, "version %s is not supported, 1.0 to %s are", version,
                         SPEC_SCHEMA_VERSION);
}

bool spec_schema_check(const bson_t *file, char **why) {
    spec_text_t *text = spec_text_new("");
    bool ok = check_version(file, text) && spec_rule_check(&file_rule, file, text);
    if (!ok && why) *why = strdup(text->str);
    spec_text_free(text, true);
    return ok;
}
