"""Requests, and what may differ in their answers, in order: each finds what those before it left.

A case: name, API, body; `versions` (all of the schema's when not given); `differs`: {path: reason},
where a path is "Results[0].ErrorMessage" with [*] for any place, and "" for the whole answer;
`ignore`: fields that depend on the run; `sort`: arrays whose order means nothing; `wait`: seconds,
since Kafka applies what it acknowledged a moment later."""

RUN = {"TopicId", "ReplicaDirectoryId", "LastFetchTimestamp", "LastCaughtUpTimestamp", "ClusterId",
       "Documentation", "LeaderEpoch", "HighWatermark", "LogEndOffset", "Port",
       "FinalizedFeaturesEpoch"}
SORTED = {"Configs", "ConfigResources", "Entries", "Entity", "Values", "SupportedFeatures",
          "FinalizedFeatures", "ReplicaElectionResults"}

GROUPS = "share and streams groups are not there, so their keys are not"
ONE_NODE = "the only broker of a cluster cannot be unregistered while it runs"
FEATURES = "features that do not work are not offered"
OF_TOPICS = "write.caching is ours; Kafka's ELR feature sets min.insync.replicas for all brokers"


class Case:
    def __init__(self, name, api, body, versions=None, differs=None, wait=0, close=False):
        self.name, self.api, self.body, self.versions = name, api, body, versions
        self.differs, self.wait, self.close = differs or {}, wait, close


def topics(*names, **more):
    return {"Topics": [dict({"Name": n, "NumPartitions": 2, "ReplicationFactor": 1}, **more)
                       for n in names], "timeoutMs": 5000}


def alter(kind, name, *settings, validate=False):
    return {"Resources": [{"ResourceType": kind, "ResourceName": name, "Configs": [
        {"Name": k, "ConfigOperation": op, "Value": v} for k, op, v in settings]}],
        "ValidateOnly": validate}


def replace(kind, name, **settings):
    return {"Resources": [{"ResourceType": kind, "ResourceName": name, "Configs": [
        {"Name": k.replace("_", "."), "Value": v} for k, v in settings.items()]}]}


def describe(kind, name, *keys):
    return {"Resources": [{"ResourceType": kind, "ResourceName": name,
                           "ConfigurationKeys": list(keys) or None}], "IncludeSynonyms": True}


def quota(entity, *ops, validate=False):
    return {"Entries": [{"Entity": [{"EntityType": t, "EntityName": n} for t, n in entity],
                         "Ops": [{"Key": k, "Value": v or 0, "Remove": v is None}
                                 for k, v in ops]}], "ValidateOnly": validate}


def entities(*components, strict=False):
    return {"Components": [{"EntityType": t, "MatchType": m, "Match": v}
                           for t, m, v in components], "Strict": strict}


def feature(name, level, kind=1, validate=True):
    return {"FeatureUpdates": [{"Feature": name, "MaxVersionLevel": level, "UpgradeType": kind}],
            "ValidateOnly": validate}


def moves(name, *partitions, **more):
    return dict({"Topics": [{"Name": name, "Partitions": [
        {"PartitionIndex": p, "Replicas": r} for p, r in partitions]}]}, **more)


def quorum(topic, partition):
    return {"Topics": [{"TopicName": topic, "Partitions": [{"PartitionIndex": partition}]}]}


TOPIC, BROKER, LOGGER, METRICS, GROUP = 2, 4, 8, 16, 32
SET, DELETE, APPEND, SUBTRACT = 0, 1, 2, 3
# Keys of brokers, beside the defaults of topics, that change while it runs.
RUNNING = (("producer.id.expiration.ms", SET, "500000"),
           ("group.consumer.assignment.interval.ms", SET, "2000"),
           ("transaction.partition.verification.enable", SET, "false"),
           ("log.cleaner.backoff.ms", SET, "9"))

CASES = [
    # ---- topics
    Case("topic asked for only", "CreateTopics", dict(topics("only"), validateOnly=True),
         differs={"Topics[0].Configs": OF_TOPICS}),
    Case("topic without partitions", "CreateTopics", topics("none", NumPartitions=0)),
    Case("topic with a bad name", "CreateTopics", topics("no/good")),
    Case("topic with two replicas", "CreateTopics", topics("two", ReplicationFactor=2)),
    Case("topic with an unknown key", "CreateTopics",
         topics("key", Configs=[{"Name": "no.such", "Value": "1"}])),
    Case("topic twice in a request", "CreateTopics", topics("twice", "twice")),
    Case("topic t", "CreateTopics", topics("t"), versions=[7],
         differs={"Topics[0].Configs": OF_TOPICS}, wait=1),
    Case("topic t again", "CreateTopics", topics("t")),
    Case("partitions fewer", "CreatePartitions",
         {"Topics": [{"Name": "t", "Count": 1}], "TimeoutMs": 5000}),
    Case("partitions as many", "CreatePartitions",
         {"Topics": [{"Name": "t", "Count": 2}], "TimeoutMs": 5000}),
    Case("partitions of no topic", "CreatePartitions",
         {"Topics": [{"Name": "nope", "Count": 2}], "TimeoutMs": 5000}),
    Case("delete no topic", "DeleteTopics", {"TopicNames": ["nope"], "TimeoutMs": 5000},
         versions=[1, 2, 3, 4, 5]),
    Case("delete no topic by name", "DeleteTopics",
         {"Topics": [{"Name": "nope"}], "TimeoutMs": 5000}, versions=[6]),

    # ---- elections, moves, the quorum
    Case("elect all", "ElectLeaders", {"TopicPartitions": None}),
    Case("elect none", "ElectLeaders", {"TopicPartitions": []}),
    Case("elect", "ElectLeaders", {"TopicPartitions": [
        {"Topic": "t", "Partitions": [0, 0, 7]}, {"Topic": "nope", "Partitions": [0]},
        {"Topic": "", "Partitions": [0]}]}),
    Case("elect unclean", "ElectLeaders",
         {"ElectionType": 1, "TopicPartitions": [{"Topic": "t", "Partitions": [1]}]},
         versions=[1, 2]),
    Case("elect oddly", "ElectLeaders", {"ElectionType": 5, "TopicPartitions": None},
         versions=[1, 2]),
    Case("move nothing", "AlterPartitionReassignments", {"Topics": []}),
    Case("move to itself", "AlterPartitionReassignments", moves("t", (0, [1]), (0, [1]))),
    Case("move badly", "AlterPartitionReassignments", moves(
        "t", (0, [2]), (1, []), (0, [1, 1]), (0, [-1]), (0, [1, 2]), (5, [1]), (5, None))),
    Case("end a move", "AlterPartitionReassignments", moves("t", (0, None))),
    Case("move no topic", "AlterPartitionReassignments", moves("nope", (0, [1]), (0, None))),
    Case("move and keep the factor", "AlterPartitionReassignments",
         moves("t", (0, [1]), (0, [1, 2]), AllowReplicationFactorChange=False), versions=[1]),
    Case("list moves", "ListPartitionReassignments", {}),
    Case("list moves of", "ListPartitionReassignments", {"Topics": [
        {"Name": "t", "PartitionIndexes": [0, 9]}, {"Name": "nope", "PartitionIndexes": [0]}]}),
    Case("list moves of nothing", "ListPartitionReassignments", {"Topics": []}),
    Case("quorum", "DescribeQuorum", quorum("__cluster_metadata", 0),
         differs={"Nodes[0].Listeners[0].Name": "there is no listener of a controller"}),
    Case("quorum of a topic", "DescribeQuorum", quorum("t", 0)),
    Case("quorum of another partition", "DescribeQuorum", quorum("__cluster_metadata", 1)),
    Case("quorum of nothing", "DescribeQuorum", {"Topics": []}),
    Case("unregister a stranger", "UnregisterBroker", {"BrokerId": 5}),
    Case("unregister nobody", "UnregisterBroker", {"BrokerId": -5}),

    # ---- features
    Case("features", "ApiVersions", {"ClientSoftwareName": "a", "ClientSoftwareVersion": "b"},
         versions=[3, 4], differs={
             "ApiKeys": "an API is offered when it works",
             "SupportedFeatures": FEATURES, "FinalizedFeatures": FEATURES}),
    Case("no feature", "UpdateFeatures", {"FeatureUpdates": []}),
    Case("feature unknown", "UpdateFeatures", feature("nope", 1)),
    Case("feature without a name", "UpdateFeatures", feature("", 1)),
    Case("feature as it is", "UpdateFeatures", feature("metadata.version", 30)),
    Case("feature twice", "UpdateFeatures", {"FeatureUpdates": [
        {"Feature": "metadata.version", "MaxVersionLevel": 30}] * 2}),
    Case("feature too high", "UpdateFeatures", feature("metadata.version", 99)),
    Case("feature too low", "UpdateFeatures", feature("metadata.version", 0, 2)),
    Case("feature negative", "UpdateFeatures", feature("metadata.version", -1, 2)),
    Case("feature down as an upgrade", "UpdateFeatures", feature("metadata.version", 29)),
    Case("feature down", "UpdateFeatures", feature("metadata.version", 29, 2)),
    Case("feature down unsafely", "UpdateFeatures", feature("metadata.version", 29, 3),
         versions=[1, 2]),
    Case("feature oddly", "UpdateFeatures", feature("metadata.version", 30, 9), versions=[1, 2]),

    # ---- configurations of topics
    Case("set", "IncrementalAlterConfigs",
         alter(TOPIC, "t", ("retention.ms", SET, "5000")), wait=1),
    Case("set shows", "DescribeConfigs", describe(TOPIC, "t", "retention.ms", "segment.ms")),
    Case("set only asked", "IncrementalAlterConfigs",
         alter(TOPIC, "t", ("retention.ms", SET, "6000"), validate=True)),
    Case("set null", "IncrementalAlterConfigs", alter(TOPIC, "t", ("retention.ms", SET, None))),
    Case("set a list", "IncrementalAlterConfigs",
         alter(TOPIC, "t", ("cleanup.policy", APPEND, "compact"))),
    Case("append to a number", "IncrementalAlterConfigs",
         alter(TOPIC, "t", ("retention.ms", APPEND, "1"))),
    Case("set twice", "IncrementalAlterConfigs",
         alter(TOPIC, "t", ("retention.ms", SET, "1"), ("retention.ms", SET, "2"))),
    Case("set unknown", "IncrementalAlterConfigs", alter(TOPIC, "t", ("no.such", SET, "1"))),
    Case("delete unknown", "IncrementalAlterConfigs", alter(TOPIC, "t", ("no.such", DELETE, None))),
    Case("set of no topic", "IncrementalAlterConfigs",
         alter(TOPIC, "nope", ("retention.ms", SET, "1"))),
    Case("set of an odd kind", "IncrementalAlterConfigs", alter(9, "t", ("a", SET, "1"))),
    Case("replace", "AlterConfigs", replace(TOPIC, "t", segment_ms="7000"), wait=1),
    Case("replaced shows", "DescribeConfigs",
         describe(TOPIC, "t", "retention.ms", "segment.ms", "cleanup.policy")),
    Case("replace with null", "AlterConfigs", replace(TOPIC, "t", segment_ms=None)),
    Case("replace with unknown", "AlterConfigs", replace(TOPIC, "t", nope="1")),
    Case("replace of no topic", "AlterConfigs", replace(TOPIC, "nope", segment_ms="1")),
    Case("replace of an odd kind", "AlterConfigs", replace(9, "t")),
    Case("replace with nothing", "AlterConfigs", replace(TOPIC, "t"), wait=1),
    Case("nothing shows", "DescribeConfigs", describe(TOPIC, "t", "retention.ms", "segment.ms")),
    Case("describe no topic", "DescribeConfigs", describe(TOPIC, "nope")),
    Case("describe a bad name", "DescribeConfigs", describe(TOPIC, "no/good")),
    Case("describe an odd kind", "DescribeConfigs", describe(9, "t")),

    # ---- configurations of brokers
    Case("all brokers", "IncrementalAlterConfigs",
         alter(BROKER, "", ("log.retention.ms", SET, "777777")), wait=1),
    Case("one broker", "IncrementalAlterConfigs",
         alter(BROKER, "1", ("log.retention.ms", SET, "666666")), wait=1),
    Case("both show", "DescribeConfigs", describe(TOPIC, "t", "retention.ms")),
    Case("one shows", "DescribeConfigs",
         describe(BROKER, "1", "log.retention.ms", "log.retention.hours", "log.roll.ms",
                  "log.retention.minutes", "delete.topic.enable", "log.cleanup.policy")),
    Case("all show", "DescribeConfigs", describe(BROKER, "", "log.retention.ms")),
    Case("one broker back", "IncrementalAlterConfigs",
         alter(BROKER, "1", ("log.retention.ms", DELETE, None)), wait=1),
    Case("all show still", "DescribeConfigs", describe(TOPIC, "t", "retention.ms")),
    Case("a list of brokers", "IncrementalAlterConfigs",
         alter(BROKER, "", ("log.cleanup.policy", APPEND, "compact"),
               ("log.retention.ms", DELETE, None)), wait=1),
    Case("the list shows", "DescribeConfigs", describe(TOPIC, "t", "cleanup.policy")),
    Case("the list back", "IncrementalAlterConfigs",
         alter(BROKER, "", ("log.cleanup.policy", DELETE, None)), wait=1),
    Case("broker read-only", "IncrementalAlterConfigs",
         alter(BROKER, "1", ("node.id", SET, "5"), ("log.dirs", SET, "/x"))),
    Case("broker value", "IncrementalAlterConfigs",
         alter(BROKER, "", ("log.segment.bytes", SET, "5"))),
    Case("broker type", "IncrementalAlterConfigs",
         alter(BROKER, "", ("log.segment.bytes", SET, "x"))),
    Case("broker append to a number", "IncrementalAlterConfigs",
         alter(BROKER, "1", ("log.retention.ms", APPEND, "5"))),
    Case("broker unknown", "IncrementalAlterConfigs", alter(BROKER, "1", ("no.such", SET, "5")),
         wait=1),
    Case("broker unknown for all", "IncrementalAlterConfigs",
         alter(BROKER, "", ("no.such", SET, "6")), wait=1),
    Case("broker unknown shows", "DescribeConfigs", describe(BROKER, "1", "no.such")),
    Case("broker unknown shows for all", "DescribeConfigs", describe(BROKER, "", "no.such")),
    Case("broker unknown append", "IncrementalAlterConfigs",
         alter(BROKER, "1", ("no.such", APPEND, "5"))),
    Case("broker unknown null", "IncrementalAlterConfigs",
         alter(BROKER, "1", ("no.such", SET, None))),
    Case("broker unknown delete", "IncrementalAlterConfigs",
         alter(BROKER, "1", ("no.such", DELETE, None)), wait=1),
    Case("broker unknown delete for all", "IncrementalAlterConfigs",
         alter(BROKER, "", ("no.such", DELETE, None)), wait=1),
    Case("broker key that Kafka alone has", "IncrementalAlterConfigs",
         alter(BROKER, "1", ("security.inter.broker.protocol", SET, "SSL"))),
    Case("broker keys that change", "IncrementalAlterConfigs",
         alter(BROKER, "", *RUNNING), wait=1),
    Case("broker keys that change show", "DescribeConfigs",
         describe(BROKER, "1", *(k for k, _, _ in RUNNING))),
    Case("broker keys that change show for all", "DescribeConfigs",
         describe(BROKER, "", *(k for k, _, _ in RUNNING))),
    Case("broker keys that change, no more", "IncrementalAlterConfigs",
         alter(BROKER, "", *((k, DELETE, None) for k, _, _ in RUNNING)), wait=1),
    *(Case(f"broker {key} {value}", "IncrementalAlterConfigs",
           alter(BROKER, "", (key, SET, value)))
      for key, value in (("producer.id.expiration.ms", "0"),
                         ("transaction.partition.verification.enable", "x"),
                         ("group.consumer.assignment.interval.ms", "-1"),
                         ("group.consumer.assignment.interval.ms", "20000"),
                         ("log.cleaner.backoff.ms", "-1"), ("log.cleaner.backoff.ms", "x"))),
    Case("another broker", "IncrementalAlterConfigs",
         alter(BROKER, "7", ("log.retention.ms", SET, "5"))),
    Case("no broker", "IncrementalAlterConfigs",
         alter(BROKER, "a", ("log.retention.ms", SET, "5"))),
    Case("describe another broker", "DescribeConfigs", describe(BROKER, "7")),
    Case("describe no broker", "DescribeConfigs", describe(BROKER, "a")),
    Case("replace of another broker", "AlterConfigs", replace(BROKER, "2")),
    Case("replace broker read-only", "AlterConfigs", {"Resources": [
        {"ResourceType": BROKER, "ResourceName": "1",
         "Configs": [{"Name": "node.id", "Value": "3"}]}]}),
    Case("replace of a logger", "AlterConfigs", replace(LOGGER, "1")),

    # ---- client metrics, groups
    Case("metrics", "IncrementalAlterConfigs",
         alter(METRICS, "m", ("metrics", SET, " a, b ,a"), ("interval.ms", SET, "100"),
               ("match", SET, "client_id=ab.*,client_software_name=x")), wait=1),
    Case("metrics show", "DescribeConfigs", describe(METRICS, "m")),
    Case("other metrics show", "DescribeConfigs", describe(METRICS, "other")),
    Case("metrics without a name", "DescribeConfigs", describe(METRICS, "")),
    Case("metrics of nothing", "IncrementalAlterConfigs",
         alter(METRICS, "", ("metrics", SET, "a"))),
    Case("metrics unknown", "IncrementalAlterConfigs", alter(METRICS, "m", ("nope", SET, "a"))),
    Case("metrics back unknown", "IncrementalAlterConfigs",
         alter(METRICS, "m", ("nope", DELETE, None))),
    Case("metrics too often", "IncrementalAlterConfigs",
         alter(METRICS, "m", ("interval.ms", SET, "5"))),
    Case("metrics never", "IncrementalAlterConfigs",
         alter(METRICS, "m", ("interval.ms", SET, "x"))),
    Case("metrics for what", "IncrementalAlterConfigs", alter(METRICS, "m", ("match", SET, "x"))),
    Case("metrics for whom", "IncrementalAlterConfigs",
         alter(METRICS, "m", ("match", SET, "foo=a"))),
    Case("metrics for a bad pattern", "IncrementalAlterConfigs",
         alter(METRICS, "m", ("match", SET, "client_id=[a"))),
    Case("metrics append", "IncrementalAlterConfigs",
         alter(METRICS, "m", ("metrics", APPEND, "a"))),
    Case("group", "IncrementalAlterConfigs",
         alter(GROUP, "g", ("consumer.session.timeout.ms", SET, "50000")), wait=1),
    Case("group shows", "DescribeConfigs",
         describe(GROUP, "g", "consumer.session.timeout.ms", "consumer.heartbeat.interval.ms",
                  "consumer.assignment.interval.ms")),
    Case("group without a name", "DescribeConfigs", describe(GROUP, "")),
    Case("group shows all", "DescribeConfigs", describe(GROUP, "g"),
         differs={"Results[0].Configs": GROUPS}),
    Case("group too short", "IncrementalAlterConfigs",
         alter(GROUP, "g", ("consumer.session.timeout.ms", SET, "5"))),
    Case("group too long", "IncrementalAlterConfigs",
         alter(GROUP, "g", ("consumer.heartbeat.interval.ms", SET, "15001"))),
    Case("group negative", "IncrementalAlterConfigs",
         alter(GROUP, "g", ("consumer.assignment.interval.ms", SET, "-1"))),
    Case("group unknown", "IncrementalAlterConfigs", alter(GROUP, "g", ("nope", SET, "1"))),
    Case("group of nobody", "IncrementalAlterConfigs",
         alter(GROUP, "", ("consumer.session.timeout.ms", SET, "50000"))),
    Case("list resources", "ListConfigResources", {},
         differs={"ConfigResources": "there are no loggers"}),
    Case("list some", "ListConfigResources", {"ResourceTypes": [GROUP, METRICS, TOPIC]}),
    Case("list odd", "ListConfigResources", {"ResourceTypes": [TOPIC, 9]}, versions=[1]),
    Case("group back", "AlterConfigs", replace(GROUP, "g"), wait=1),
    Case("metrics back", "AlterConfigs", replace(METRICS, "m"), wait=1),
    Case("list none", "ListConfigResources", {"ResourceTypes": [GROUP, METRICS]}),

    # ---- client quotas
    Case("quota user", "AlterClientQuotas",
         quota([("user", "a")], ("producer_byte_rate", 1e9), ("request_percentage", 99.5))),
    Case("quota both", "AlterClientQuotas",
         quota([("user", "a"), ("client-id", "b")], ("controller_mutation_rate", 5))),
    Case("quota default", "AlterClientQuotas",
         quota([("client-id", None)], ("consumer_byte_rate", 1e9)), wait=1),
    Case("quotas", "DescribeClientQuotas", entities()),
    Case("quotas strict", "DescribeClientQuotas", entities(strict=True)),
    Case("quotas of a", "DescribeClientQuotas", entities(("user", 0, "a"))),
    Case("quotas of a alone", "DescribeClientQuotas", entities(("user", 0, "a"), strict=True)),
    Case("quotas of users", "DescribeClientQuotas", entities(("user", 2, None))),
    Case("quotas of the default", "DescribeClientQuotas", entities(("client-id", 1, None))),
    Case("quotas of both", "DescribeClientQuotas",
         entities(("user", 2, None), ("client-id", 2, None))),
    Case("quotas of null", "DescribeClientQuotas", entities(("user", 0, None))),
    Case("quotas oddly", "DescribeClientQuotas", entities(("user", 7, "a"))),
    Case("quotas of foo", "DescribeClientQuotas", entities(("foo", 0, "a"))),
    Case("quotas of nothing", "DescribeClientQuotas", entities(("", 0, "a"))),
    Case("quotas twice", "DescribeClientQuotas", entities(("user", 0, "a"), ("user", 0, "b"))),
    Case("quotas mixed", "DescribeClientQuotas", entities(("user", 0, "a"), ("ip", 0, "b"))),
    Case("quotas default with a name", "DescribeClientQuotas", entities(("user", 1, "x"))),
    Case("quota unknown", "AlterClientQuotas", quota([("user", "a")], ("nope", 1))),
    Case("quota unknown back", "AlterClientQuotas", quota([("user", "a")], ("nope", None))),
    Case("quota zero", "AlterClientQuotas",
         {"Entries": [{"Entity": [{"EntityType": "user", "EntityName": "a"}],
                       "Ops": [{"Key": "producer_byte_rate", "Value": 0.0}]}]}),
    Case("quota huge", "AlterClientQuotas", quota([("user", "a")], ("producer_byte_rate", 1e30))),
    Case("quota fraction", "AlterClientQuotas",
         quota([("user", "a")], ("producer_byte_rate", 1.5))),
    Case("quota of foo", "AlterClientQuotas", quota([("foo", "a")], ("producer_byte_rate", 1))),
    Case("quota of nobody", "AlterClientQuotas", quota([], ("producer_byte_rate", 1))),
    Case("quota of an empty name", "AlterClientQuotas",
         quota([("user", "")], ("producer_byte_rate", 1))),
    Case("quota of an address and a user", "AlterClientQuotas",
         quota([("ip", "1.1.1.1"), ("user", "a")], ("connection_creation_rate", 1))),
    Case("quota of the wrong kind", "AlterClientQuotas",
         quota([("user", "a")], ("connection_creation_rate", 1))),
    Case("quota twice", "AlterClientQuotas",
         quota([("user", "a")], ("producer_byte_rate", 7), ("producer_byte_rate", 8))),
    Case("quota only asked", "AlterClientQuotas",
         quota([("user", "v")], ("producer_byte_rate", 7), validate=True)),
    Case("quota nothing", "AlterClientQuotas", quota([("user", "a")])),
    Case("quota back", "AlterClientQuotas",
         quota([("user", "a")], ("producer_byte_rate", None), ("request_percentage", None)),
         wait=1),
    Case("quotas left", "DescribeClientQuotas", entities()),
    Case("quota of both back", "AlterClientQuotas",
         quota([("user", "a"), ("client-id", "b")], ("controller_mutation_rate", None))),
    Case("quota default back", "AlterClientQuotas",
         quota([("client-id", None)], ("consumer_byte_rate", None)), wait=1),
    Case("quotas gone", "DescribeClientQuotas", entities()),

    # ---- the cluster
    Case("cluster", "DescribeCluster", {"IncludeClusterAuthorizedOperations": True}),
    Case("cluster of controllers", "DescribeCluster", {"EndpointType": 2}, versions=[1, 2]),
    Case("cluster oddly", "DescribeCluster", {"EndpointType": 3}, versions=[1, 2]),
    Case("describe partitions", "DescribeTopicPartitions",
         {"Topics": [{"Name": "t"}, {"Name": "nope"}], "ResponsePartitionLimit": 10}),
    Case("epochs", "OffsetForLeaderEpoch", {"ReplicaId": -2, "Topics": [
        {"Topic": "t", "Partitions": [
            {"Partition": 0, "CurrentLeaderEpoch": -1, "LeaderEpoch": 0},
            {"Partition": 1, "CurrentLeaderEpoch": 0, "LeaderEpoch": 5},
            {"Partition": 9, "CurrentLeaderEpoch": -1, "LeaderEpoch": 0}]}]}),
    Case("delete t", "DeleteTopics", {"Topics": [{"Name": "t"}], "TimeoutMs": 5000}, versions=[6]),
]

# Each of these, with a body that ends in the middle, ends the connection.
CUT_OFF = sorted({c.api for c in CASES if c.api != "ApiVersions"})
