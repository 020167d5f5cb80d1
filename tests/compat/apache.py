"""Apache Kafka's own @ClusterTest tests of its clients and tools, against processes: java/ has the
class that stands in for Kafka's cluster.  Each test starts and stops a broker of its own."""
import os
import pathlib
import re
import shutil
import subprocess
import xml.etree.ElementTree
import zipfile

from jvm import LOGGING
from suites import HERE, Row, bounded, pom_jars

VERSION = "4.3.1"
CLASS_SECONDS = 1800
CLIENTS_JAR = f"kafka-clients-integration-tests-{VERSION}-test.jar"
OWN_BROKERS = True
PACKAGE = "(org.apache.kafka.common.test."  # of the one kind of parameter that tests have
# Not for one node without security: security, other versions of metadata, share groups, plug-ins in
# Java, and tests that are about several brokers.
LEFT_OUT = re.compile(r"MetadataVersion|Share|Sasl|Ssl|Acl|Authoriz|Delegation|Polic|"
                      r"ClientRebootstrap|RackAware|ConsumerBounce")
TOOLS = [f"org.apache.kafka.tools.{c}" for c in (
    "TopicCommandTest", "GetOffsetShellTest", "DeleteRecordsCommandTest",
    "ConfigCommandIntegrationTest", "TransactionsCommandTest", "MetadataQuorumCommandTest",
    "FeatureCommandTest", "ClientMetricsCommandTest", "BrokerApiVersionsCommandTest",
    "GroupsCommandTest", "LogDirsCommandTest",
    "consumer.ConsoleConsumerTest", "consumer.group.ListConsumerGroupTest",
    "consumer.group.DescribeConsumerGroupTest", "consumer.group.DeleteConsumerGroupsTest",
    "consumer.group.DeleteOffsetsConsumerGroupCommandIntegrationTest",
    "consumer.group.ResetConsumerGroupOffsetTest", "consumer.group.ConsumerGroupServiceTest")]
MODES = {"clients": None, "tools": TOOLS}


def build(folder):
    lib, classes = pom_jars(HERE / "apache-pom.xml", folder / "lib"), folder / "classes"
    classes.mkdir(exist_ok=True)
    subprocess.run(["javac", "-nowarn", "-d", str(classes), "-cp", f"{lib}/*",
                    *map(str, (HERE / "java").rglob("*.java"))], check=True)
    return lib, classes


def all_of(jar):
    names = zipfile.ZipFile(jar).namelist()
    return [n[:-len(".class")].replace("/", ".") for n in sorted(names)
            if n.endswith("Test.class") and "$" not in n and not LEFT_OUT.search(n)]


def rows(reports, name):
    short = name.rsplit(".", 1)[1]
    for file in sorted(reports.glob("*.xml")):
        for test in xml.etree.ElementTree.parse(file).getroot().iter("testcase"):
            verdict, reason = "pass", ""
            for kind, means in (("failure", "fail"), ("error", "fail"), ("skipped", "skip")):
                found = test.find(kind)
                if found is not None:
                    verdict = means
                    reason = found.get("message") or (found.text or "").strip().split("\n")[0]
            if "same as the isolated type" not in reason:
                yield Row(f"{short}.{test.get('name')}", verdict, float(test.get("time")), reason)


def run(broker, mode, folder, out, only=None):
    """`only`: classes by their short names, or Class#method.  `broker` is not used: each test
    starts its own."""
    lib, classes = build(folder / "apache")
    for name in MODES[mode] or all_of(lib / CLIENTS_JAR):
        short = name.rsplit(".", 1)[1]
        wanted = [o for o in only or (short,) if o.split("#")[0] == short]
        if not wanted:
            continue
        select = [w for o in wanted for w in
                  (("--select-class", name) if o == short else
                   ("--select-method", f"{name}#{o.split('#')[1]}".replace("(", PACKAGE)))]
        reports = out / name
        shutil.rmtree(reports, ignore_errors=True)
        env = {"COMPAT_START": str(HERE / "start_sluice.py"), **os.environ}
        logging = out / "log4j2.properties"
        logging.write_text(LOGGING)
        bounded(["java", "-Xmx1g", f"-Dlog4j2.configurationFile={logging}",
                 "-cp", f"{classes}:{lib}/*",
                 "-Djunit.jupiter.extensions.autodetection.enabled=true",
                 "org.junit.platform.console.ConsoleLauncher", "execute", *select,
                 "--reports-dir", str(reports), "--details=none", "--disable-banner"],
                CLASS_SECONDS, out / f"{name}.log", env=env)
        found = list(rows(reports, name)) if reports.is_dir() else []
        yield from found or [Row(f"{short}.-", "fail", 0, "gave no result")]
