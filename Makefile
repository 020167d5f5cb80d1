# One word for each thing to do; the build itself is meson's (meson.build).
#   make          builds build/sluice, build/sluice-data, build/sluice-control
#   make run      installs what is missing, builds, starts the broker on 127.0.0.1:9092, data in ./data
#   make test     the same for the tests, and runs all of them; ends with "N passed, N failed"
#   make check    lint and unit tests, under a minute: before every push
#   make asan     unit and client tests with AddressSanitizer and UndefinedBehaviorSanitizer
#   make sim      SEEDS=n lives of a store on a disk with faults (SEED=s: that one, told in detail)
#   make sim-tcp  SEEDS=n lives of two TCP stacks on a wire with faults (SEED=s: that one, told)
#   make sim-broker  SEEDS=n lives of the dataplane, clients over our TCP, power cuts (SEED=s: told)
#   make attack   each attack at full rate on a server of ours, honest clients beside it
#   make interop  our TCP against Linux's over devices of DPDK, 1 GB and 10,000 connections each (root)
#   make mutants  known bugs put back one at a time: the lives must find each (SEEDS at most)
#   make fuzz     every fuzz target for T seconds (T=60), from the committed corpus
#   make fuzz-http  schemathesis against the HTTP endpoint's own description (EXAMPLES=100)
#   make compat-oracle   the client scripts against Apache Kafka: they must test Kafka, not us
#   make compat-librdkafka, compat-librdkafka-full, compat-kgo, compat-go, compat-rust,
#                 compat-apache   other people's suites against Sluice, judged by what Kafka gives
#                 on them (tests/compat)
#   make compat-streams, compat-copier, compat-tools, compat-connect, compat-mirror   programs of
#                 Kafka's on Sluice, whose processes are killed meanwhile (tests/compat)
#   make compat-diff     hundreds of requests: answers as Apache Kafka's, field by field
#   make compat-diff-record   asks Apache Kafka anew (tests/compat/diff/golden.json)
#   make test-dpdk       the client tests over net=dpdk (as root; each in a network namespace)
#   make test-vm  the broker on emulated cards on PCI, in a virtual machine that boots in seconds; the
#                 first time it builds the machine's image, in a minute or two (as root; VM=options)
#   make bench    Sluice alone in every scenario, one round of a few minutes (BENCH=--scenario NAME)
#   make bench-compare   beside Apache Kafka, as shipped and with an fsync per append, ROUNDS=3
#                 alternating rounds: bench/RESULTS.md; goes on where it was broken off
#                 (a round: over ten minutes; BENCH=--quick: 2 s a scenario; BENCH=--fresh: anew)
#   make bench-groups    coordination beside Apache Kafka: joins, memory, restart
#   make bench-others    NATS JetStream and RabbitMQ streams by their own clients: bench/OTHERS.md
#   make install  programs, man pages, completion, dashboards (DESTDIR; meson's prefix: /usr/local)
#   make lint, make fmt, make clean, make help
# Variables: BUILD (build), CI (true: warnings are errors, T seconds of each fuzz target), T,
# SEEDS, SEED, ROUNDS, BENCH (options of bench/compare/run.py).

BUILD ?= build
T ?= 60
ROUNDS ?= 3
SEEDS ?= 20000
WERROR := $(if $(filter true 1,$(CI)),true,false)
CHILDREN := dataplane/sluice-data control/sluice-control
SANITIZE := -Db_sanitize=address,undefined -Db_lundef=false -Dbuildtype=debugoptimized

.NOTPARALLEL:
.PHONY: all help run test check asan sim sim-tcp mutants fuzz lint fmt compat-oracle clean deps
.PHONY: attack interop sim-broker
.PHONY: bench bench-compare bench-groups bench-others
.PHONY: compat-diff compat-diff-record fuzz-http
.PHONY: compat-librdkafka compat-librdkafka-full compat-kgo compat-apache
.PHONY: compat-streams compat-copier compat-tools compat-connect compat-mirror
.PHONY: test-dpdk test-vm install
.PHONY: product programs clang-build

all: deps product

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' $(firstword $(MAKEFILE_LIST))

deps:
	@deploy/deps.sh build

$(BUILD)/build.ninja:
	meson setup $(BUILD) -Dwerror=$(WERROR)

# The supervisor finds its children beside itself, at the top of the build folder: hard links, so that
# they are the files that were just linked.
product: $(BUILD)/build.ninja
	meson compile -C $(BUILD) sluice sluice-data sluice-control
	@for p in $(CHILDREN); do ln -f $(BUILD)/$$p $(BUILD)/$${p##*/} || exit 1; done

# With the test programs and the load generators.
programs: product
	meson compile -C $(BUILD)

install: product
	meson install -C $(BUILD)

run: all
	$(BUILD)/sluice run --data ./data

# A folder that was configured before librdkafka came has no client tests yet: configure it again.
test-build: $(BUILD)/build.ninja
	@meson configure $(BUILD) -Dwerror=$(WERROR) -Dclients=enabled
	@$(MAKE) --no-print-directory programs

# For its warnings: nothing of it is run, so nothing is optimised.
clang-build:
	@test -e build-clang/build.ninja || \
	    CC=clang meson setup build-clang -Dwerror=true -Dclients=enabled -Doptimization=0 -Ddebug=false
	ninja -C build-clang all meson-test-prereq

test:
	@deploy/deps.sh test
	@$(MAKE) --no-print-directory test-build clang-build
	python3 tests/run.py $(BUILD) lint unit clients $(if $(filter true 1,$(CI)),fuzz:$(T))

check:
	@deploy/deps.sh build lint
	@$(MAKE) --no-print-directory programs
	python3 tests/run.py $(BUILD) lint unit

lint:
	@deploy/deps.sh build lint
	@$(MAKE) --no-print-directory programs
	python3 tests/run.py $(BUILD) lint

asan:
	@deploy/deps.sh test
	@test -e build-asan/build.ninja || meson setup build-asan $(SANITIZE) -Dclients=enabled
	@$(MAKE) --no-print-directory BUILD=build-asan programs
	ASAN_OPTIONS=abort_on_error=1:detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	    python3 tests/run.py build-asan unit clients

sim: $(BUILD)/build.ninja
	ninja -C $(BUILD) tests/sim/store_sim
	$(BUILD)/tests/sim/store_sim $(if $(SEED),--seed $(SEED),--file tests/sim/seeds.txt --seeds $(SEEDS))

sim-tcp: $(BUILD)/build.ninja
	ninja -C $(BUILD) tests/sim/tcp/tcpsim
	$(BUILD)/tests/sim/tcp/tcpsim $(if $(SEED),--seed $(SEED),--file tests/sim/tcp/seeds.txt --seeds $(SEEDS))

sim-broker: $(BUILD)/build.ninja
	ninja -C $(BUILD) tests/sim/broker/brokersim
	$(BUILD)/tests/sim/broker/brokersim $(if $(SEED),--seed $(SEED),--seeds \
	    $(if $(filter file,$(origin SEEDS)),200,$(SEEDS)))

attack: $(BUILD)/build.ninja
	ninja -C $(BUILD) tests/sim/tcp/attack
	$(BUILD)/tests/sim/tcp/attack --ms 2000 $(if $(SEED),--seed $(SEED))

interop: $(BUILD)/build.ninja
	@deploy/deps.sh test
	@meson configure $(BUILD) -Dclients=enabled
	ninja -C $(BUILD) tests/e2e/nic_echo
	python3 tests/e2e/interop.py $(BUILD)/tests/e2e/nic_echo --long

mutants:
	@test -e build-mutants/build.ninja || meson setup build-mutants -Dmutants=true
	ninja -C build-mutants tests/sim/store_sim tests/sim/tcp/tcpsim tests/sim/broker/brokersim
	! build-mutants/tests/sim/broker/brokersim --mutant ACK_BEFORE_DURABLE --seeds 100
	! build-mutants/tests/sim/broker/brokersim --mutant SEEN_BEFORE_DURABLE --seeds 300
	for m in EARLY TWICE NEVER; do \
	  ! build-mutants/tests/sim/broker/brokersim --mutant BROKER_LENT_$$m --seeds 100 || exit 1; done
	build-mutants/tests/sim/tcp/tcpsim --mutants 300
	build-mutants/tests/sim/store_sim --mutants $(SEEDS)

fuzz:
	@deploy/deps.sh build fuzz
	python3 tests/run.py $(BUILD) fuzz:$(T)

fuzz-http: product
	python3 tests/e2e/schema.py $(BUILD) --examples $(or $(EXAMPLES),100)

fmt:
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format -i

compat-oracle:
	@deploy/deps.sh test
	@$(MAKE) --no-print-directory test-build
	tests/e2e/compat.sh $(BUILD)

COMPAT_librdkafka := librdkafka:quick-classic librdkafka:quick-consumer
COMPAT_librdkafka-full := librdkafka:full-classic librdkafka:full-consumer \
    librdkafka:quick-idempotent librdkafka:noautocreate
COMPAT_kgo := kgo:kgo kgo:kgo-500000
COMPAT_go := kafkago:kafkago sarama:sarama
COMPAT_python := debianpy:debianpy
COMPAT_rust := rskafka:rskafka
.PHONY: compat-go compat-rust compat-python
COMPAT_apache := apache:clients apache:tools

compat-librdkafka compat-librdkafka-full compat-kgo compat-go compat-rust compat-python compat-apache:
	@deploy/deps.sh test compat
	@$(MAKE) --no-print-directory product
	python3 tests/compat/run.py $(BUILD) $(COMPAT_$(@:compat-%=%))

compat-streams compat-copier compat-tools compat-connect compat-mirror:
	@deploy/deps.sh test
	@$(MAKE) --no-print-directory product
	python3 tests/compat/run.py $(BUILD) $(@:compat-%=programs:%)

# Over DPDK's net_tap; as root.
test-dpdk:
	@deploy/deps.sh test
	@$(MAKE) --no-print-directory test-build
	python3 tests/run.py $(BUILD) dpdk

test-vm:
	@deploy/deps.sh test vm
	@$(MAKE) --no-print-directory test-build
	python3 tests/vm/test_vm.py $(BUILD) $(VM)

compat-diff: product
	python3 tests/compat/diff/diff.py $(BUILD)

compat-diff-record:
	@deploy/deps.sh test
	tests/compat/diff/record.sh $(BUILD)

bench bench-compare bench-groups bench-others:
	@deploy/deps.sh test $(if $(filter bench-others,$@),bench)
	@$(MAKE) --no-print-directory test-build
	$(COMMAND_$@)

COMMAND_bench = python3 bench/compare/run.py $(BUILD) --ours-only --rounds 1 --quick \
    --out $(BUILD)/bench $(BENCH)
COMMAND_bench-compare = python3 bench/compare/run.py $(BUILD) --rounds $(ROUNDS) $(BENCH)
COMMAND_bench-others = python3 bench/compare/others.py $(BUILD) --rounds $(ROUNDS) $(BENCH)
COMMAND_bench-groups = python3 bench/groups/run.py $(BUILD) --rounds $(ROUNDS) $(BENCH)

clean:
	rm -rf build build-clang build-asan build-fuzz build-mutants
