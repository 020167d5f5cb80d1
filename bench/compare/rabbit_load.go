// rabbit_load PORT STREAM PUBLISHERS BYTES BATCH SECONDS: publishers of a RabbitMQ stream, a connection
// each, that send a batch of messages and go on when the broker has confirmed all of it: what
// `sluice-bench --depth 1` does.  RabbitMQ's own tools have no such mode, and tell no percentiles.  Prints
// one line of JSON; latency is of batches.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/rabbitmq/rabbitmq-stream-go-client/pkg/amqp"
	"github.com/rabbitmq/rabbitmq-stream-go-client/pkg/message"
	"github.com/rabbitmq/rabbitmq-stream-go-client/pkg/stream"
)

const (
	warmup    = time.Second
	streamMax = 4 << 30
)

type publisher struct {
	producer  *stream.Producer
	confirmed chan int
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func begin(env *stream.Environment, name string) publisher {
	producer, err := env.NewProducer(name, stream.NewProducerOptions())
	check(err)
	p := publisher{producer, make(chan int, 1024)}
	go func() {
		for statuses := range producer.NotifyPublishConfirmation() {
			for _, s := range statuses {
				if !s.IsConfirmed() {
					log.Fatal("a message was not confirmed")
				}
			}
			p.confirmed <- len(statuses)
		}
	}()
	return p
}

// run sends batches until the end, and returns how long each took of those begun after `from`.
func (p publisher) run(bytes, batch int, from, end time.Time) []time.Duration {
	var took []time.Duration
	body := make([]byte, bytes)
	for {
		begun := time.Now()
		if begun.After(end) {
			return took
		}
		messages := make([]message.StreamMessage, batch)
		for i := range messages {
			messages[i] = amqp.NewMessage(body)
		}
		check(p.producer.BatchSend(messages))
		for left := batch; left > 0; {
			left -= <-p.confirmed
		}
		if begun.After(from) {
			took = append(took, time.Since(begun))
		}
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	check(err)
	return n
}

func main() {
	if len(os.Args) != 7 {
		log.Fatal("rabbit_load PORT STREAM PUBLISHERS BYTES BATCH SECONDS")
	}
	port, name, publishers := number(os.Args[1]), os.Args[2], number(os.Args[3])
	bytes, batch := number(os.Args[4]), number(os.Args[5])
	seconds, err := strconv.ParseFloat(os.Args[6], 64)
	check(err)
	env, err := stream.NewEnvironment(stream.NewEnvironmentOptions().
		SetUri(fmt.Sprintf("rabbitmq-stream://guest:guest@127.0.0.1:%d/%%2f", port)).
		SetMaxProducersPerClient(1))
	check(err)
	check(env.DeclareStream(name, stream.NewStreamOptions().
		SetMaxLengthBytes(stream.ByteCapacity{}.B(streamMax))))
	var all []publisher
	for i := 0; i < publishers; i++ {
		all = append(all, begin(env, name))
	}
	var lock sync.Mutex
	var wait sync.WaitGroup
	var took []time.Duration
	from := time.Now().Add(warmup)
	end := from.Add(time.Duration(seconds * float64(time.Second)))
	for _, p := range all {
		wait.Add(1)
		go func(p publisher) {
			defer wait.Done()
			mine := p.run(bytes, batch, from, end)
			lock.Lock()
			took = append(took, mine...)
			lock.Unlock()
		}(p)
	}
	wait.Wait()
	over := time.Since(from).Seconds()
	if len(took) == 0 {
		log.Fatal("nothing was confirmed")
	}
	sort.Slice(took, func(i, k int) bool { return took[i] < took[k] })
	sum := time.Duration(0)
	for _, t := range took {
		sum += t
	}
	at := func(q float64) float64 {
		return float64(took[int(q*float64(len(took)-1))].Microseconds())
	}
	check(json.NewEncoder(os.Stdout).Encode(map[string]float64{
		"messages_per_s": float64(len(took)*batch) / over,
		"mean_us":        float64(sum.Microseconds()) / float64(len(took)),
		"p50_us":         at(0.5),
		"p99_us":         at(0.99),
	}))
}
