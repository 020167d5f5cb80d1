// IBM/sarama against one broker: what its own functional tests do with five brokers and a proxy in
// front of them, as far as one broker can show it.  BOOTSTRAP is HOST:PORT.
package sarama_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

const records = 200

var (
	bootstrap = []string{os.Getenv("BOOTSTRAP")}
	codecs    = []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionGZIP,
		sarama.CompressionSnappy, sarama.CompressionLZ4, sarama.CompressionZSTD}
	versions = []sarama.KafkaVersion{sarama.V2_1_0_0, sarama.V2_4_0_0, sarama.V2_8_0_0,
		sarama.V3_3_0_0, sarama.V3_6_0_0, sarama.V4_0_0_0}
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func config(version sarama.KafkaVersion) *sarama.Config {
	c := sarama.NewConfig()
	c.Version = version
	c.ClientID = "sarama-test"
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Return.Successes = true
	c.Consumer.Return.Errors = true
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Group.Rebalance.Timeout = 10 * time.Second
	return c
}

func admin(t *testing.T) sarama.ClusterAdmin {
	t.Helper()
	a, err := sarama.NewClusterAdmin(bootstrap, config(sarama.V4_0_0_0))
	must(t, err)
	t.Cleanup(func() { _ = a.Close() })
	return a
}

func topic(t *testing.T, partitions int32) string {
	t.Helper()
	name := fmt.Sprintf("%s-%d", plainName(t.Name()), time.Now().UnixNano())
	must(t, admin(t).CreateTopic(name, &sarama.TopicDetail{NumPartitions: partitions,
		ReplicationFactor: 1}, false))
	return name
}

func plainName(name string) string {
	out := []rune(name)
	for i, r := range out {
		if r == '/' || r == ' ' {
			out[i] = '-'
		}
	}
	return string(out)
}

func value(i int) string { return fmt.Sprintf("value-%d-%064d", i, i) }

func produce(t *testing.T, c *sarama.Config, name string, n int) {
	t.Helper()
	p, err := sarama.NewSyncProducer(bootstrap, c)
	must(t, err)
	defer p.Close()
	for i := range n {
		_, offset, err := p.SendMessage(&sarama.ProducerMessage{Topic: name,
			Value: sarama.StringEncoder(value(i)), Key: sarama.StringEncoder("k")})
		must(t, err)
		if offset != int64(i) {
			t.Fatalf("record %d has offset %d", i, offset)
		}
	}
}

// consume reads n records of partition 0 in order and compares them.
func consume(t *testing.T, c *sarama.Config, name string, n int) {
	t.Helper()
	consumer, err := sarama.NewConsumer(bootstrap, c)
	must(t, err)
	defer consumer.Close()
	part, err := consumer.ConsumePartition(name, 0, sarama.OffsetOldest)
	must(t, err)
	defer part.Close()
	deadline := time.After(60 * time.Second)
	for i := range n {
		select {
		case m := <-part.Messages():
			if string(m.Value) != value(i) {
				t.Fatalf("offset %d is %q", m.Offset, m.Value)
			}
		case err := <-part.Errors():
			t.Fatal(err)
		case <-deadline:
			t.Fatalf("%d records of %d", i, n)
		}
	}
}

func TestRoundTripOfEachVersion(t *testing.T) {
	for _, v := range versions {
		t.Run(v.String(), func(t *testing.T) {
			name := topic(t, 1)
			produce(t, config(v), name, records)
			consume(t, config(v), name, records)
		})
	}
}

func TestRoundTripOfEachCodec(t *testing.T) {
	for _, codec := range codecs {
		t.Run(codec.String(), func(t *testing.T) {
			name := topic(t, 1)
			c := config(sarama.V3_6_0_0)
			c.Producer.Compression = codec
			produce(t, c, name, records)
			consume(t, c, name, records)
		})
	}
}

func TestIdempotentProducerInFlight(t *testing.T) {
	name := topic(t, 1)
	c := config(sarama.V3_6_0_0)
	c.Producer.Idempotent = true
	c.Net.MaxOpenRequests = 1
	c.Producer.Flush.MaxMessages = 7
	p, err := sarama.NewAsyncProducer(bootstrap, c)
	must(t, err)
	go func() {
		for i := range records {
			p.Input() <- &sarama.ProducerMessage{Topic: name,
				Value: sarama.StringEncoder(value(i)), Key: sarama.StringEncoder("k")}
		}
	}()
	for range records {
		select {
		case <-p.Successes():
		case err := <-p.Errors():
			t.Fatal(err)
		case <-time.After(60 * time.Second):
			t.Fatal("no answer")
		}
	}
	must(t, p.Close())
	consume(t, config(sarama.V3_6_0_0), name, records)
}

func TestTransactionsCommitAbortAndOffsets(t *testing.T) {
	name, group := topic(t, 1), "sarama-txn-group"
	c := config(sarama.V3_6_0_0)
	c.Producer.Idempotent = true
	c.Producer.Transaction.ID = fmt.Sprintf("sarama-%d", time.Now().UnixNano())
	c.Net.MaxOpenRequests = 1
	p, err := sarama.NewSyncProducer(bootstrap, c)
	must(t, err)
	defer p.Close()
	for _, commit := range []bool{false, true} {
		must(t, p.BeginTxn())
		for i := range records {
			_, _, err := p.SendMessage(&sarama.ProducerMessage{Topic: name,
				Value: sarama.StringEncoder(value(i))})
			must(t, err)
		}
		must(t, p.AddOffsetsToTxn(map[string][]*sarama.PartitionOffsetMetadata{
			name: {{Partition: 0, Offset: 77, LeaderEpoch: -1}}}, group))
		if commit {
			must(t, p.CommitTxn())
		} else {
			must(t, p.AbortTxn())
		}
		want := map[bool]int64{false: -1, true: 77}[commit]
		for end := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			offsets, err := admin(t).ListConsumerGroupOffsets(group, map[string][]int32{name: {0}})
			must(t, err)
			got := offsets.GetBlock(name, 0).Offset
			if got == want {
				break
			}
			// A commit is answered before its markers are written.
			if !commit || got != -1 || time.Now().After(end) {
				t.Fatalf("offset %d, not %d", got, want)
			}
		}
	}
	reader := config(sarama.V3_6_0_0)
	reader.Consumer.IsolationLevel = sarama.ReadCommitted
	consume(t, reader, name, records) // the aborted ones would come first, twice the count
}

// member counts what it gets and leaves when all came.
type member struct{ got chan string }

func (member) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (member) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (m member) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for msg := range claim.Messages() {
		m.got <- string(msg.Value)
		s.MarkMessage(msg, "")
	}
	return nil
}

func TestGroupsOfEachStrategySplitATopic(t *testing.T) {
	for _, s := range []sarama.BalanceStrategy{sarama.NewBalanceStrategyRange(),
		sarama.NewBalanceStrategyRoundRobin(), sarama.NewBalanceStrategySticky()} {
		t.Run(s.Name(), func(t *testing.T) {
			name := topic(t, 4)
			c := config(sarama.V2_8_0_0)
			c.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{s}
			c.Producer.Partitioner = sarama.NewRoundRobinPartitioner
			p, err := sarama.NewSyncProducer(bootstrap, c)
			must(t, err)
			for i := range records {
				_, _, err := p.SendMessage(&sarama.ProducerMessage{Topic: name,
					Value: sarama.StringEncoder(value(i))})
				must(t, err)
			}
			must(t, p.Close())
			m := member{got: make(chan string, records)}
			ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
			defer cancel()
			done := make(chan error, 2)
			for range 2 {
				g, err := sarama.NewConsumerGroup(bootstrap, "group-"+name, c)
				must(t, err)
				go func() {
					for ctx.Err() == nil {
						if err := g.Consume(ctx, []string{name}, m); err != nil {
							if !errors.Is(err, sarama.ErrClosedConsumerGroup) {
								done <- err
							}
							return
						}
					}
				}()
				defer g.Close()
			}
			seen := map[string]bool{}
			for len(seen) < records {
				select {
				case v := <-m.got:
					seen[v] = true
				case err := <-done:
					t.Fatal(err)
				case <-ctx.Done():
					t.Fatalf("%d records of %d", len(seen), records)
				}
			}
		})
	}
}

func TestAdministration(t *testing.T) {
	a, name := admin(t), topic(t, 1)
	must(t, a.CreatePartitions(name, 3, nil, false))
	about, err := a.DescribeTopics([]string{name})
	must(t, err)
	if n := len(about[0].Partitions); n != 3 {
		t.Fatalf("%d partitions", n)
	}
	day := "86400000"
	must(t, a.AlterConfig(sarama.TopicResource, name, map[string]*string{"retention.ms": &day},
		false))
	entries, err := a.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: name,
		ConfigNames: []string{"retention.ms"}})
	must(t, err)
	if entries[0].Value != day || entries[0].Default {
		t.Fatalf("%+v", entries[0])
	}
	c := config(sarama.V3_6_0_0)
	c.Producer.Partitioner = sarama.NewManualPartitioner
	produce(t, c, name, 10)
	must(t, a.DeleteRecords(name, map[int32]int64{0: 4}))
	client, err := sarama.NewClient(bootstrap, c)
	must(t, err)
	defer client.Close()
	oldest, err := client.GetOffset(name, 0, sarama.OffsetOldest)
	must(t, err)
	if oldest != 4 {
		t.Fatalf("oldest offset %d", oldest)
	}
	must(t, a.DeleteTopic(name))
	if err := a.DeleteConsumerGroup("nobody-knows-this-one"); err == nil {
		t.Fatal("a group that is not there was deleted")
	}
}
