// The same cases in Go's driver.
// usage: bench_go CASE IN_FLIGHT OPERATIONS URI
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strconv"
	"sync"
	"syscall"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

const (
	ids      = 1000
	batch    = 10000
	gathered = 100
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

type measure struct {
	lock      sync.Mutex
	latencies []float64
	cpu       float64
	wall      time.Time
}

func newMeasure() *measure { return &measure{cpu: cpuSeconds(), wall: time.Now()} }

func (m *measure) of(run func()) {
	began := time.Now()
	run()
	took := time.Since(began).Seconds()
	m.lock.Lock()
	m.latencies = append(m.latencies, took)
	m.lock.Unlock()
}

func (m *measure) print(operations int) {
	wall, cpu := time.Since(m.wall).Seconds(), cpuSeconds()-m.cpu
	sort.Float64s(m.latencies)
	percentile := func(part float64) float64 {
		return m.latencies[int(part*float64(len(m.latencies)-1))] * 1e3
	}
	check(json.NewEncoder(os.Stdout).Encode(map[string]float64{
		"per_second": float64(operations) / wall, "cpu_us": cpu * 1e6 / float64(operations),
		"p50_ms": percentile(0.5), "p99_ms": percentile(0.99)}))
}

func findOne(docs *mongo.Collection, id int) {
	_, err := docs.FindOne(context.Background(), bson.D{{Key: "_id", Value: int32(id % ids)}}).Raw()
	check(err)
}

func together(tasks int, run func(task int)) {
	var all sync.WaitGroup
	for task := 0; task < tasks; task++ {
		all.Add(1)
		go func() {
			defer all.Done()
			run(task)
		}()
	}
	all.Wait()
}

func inFlight(docs *mongo.Collection, tasks, operations int, m *measure) {
	together(tasks, func(int) {
		for i := 0; i < operations/tasks; i++ {
			m.of(func() { findOne(docs, i) })
		}
	})
}

func runFindOne(database *mongo.Database, tasks, operations int) {
	docs := database.Collection("docs")
	inFlight(docs, tasks, tasks*2, newMeasure())
	m := newMeasure()
	inFlight(docs, tasks, operations, m)
	m.print(operations / tasks * tasks)
}

func runGather(database *mongo.Database, tasks, operations int) {
	docs := database.Collection("docs")
	gather := func() { together(gathered, func(task int) { findOne(docs, task) }) }
	gather()
	m, rounds := newMeasure(), operations/gathered
	for i := 0; i < rounds; i++ {
		m.of(gather)
	}
	m.print(rounds * gathered)
}

func runFind(database *mongo.Database, tasks, operations int) {
	count := 0
	findAll := func() {
		cursor, err := database.Collection("docs").Find(context.Background(), bson.D{})
		check(err)
		for cursor.Next(context.Background()) {
			count++
		}
		check(cursor.Err())
	}
	findAll()
	count = 0
	m := newMeasure()
	for i := 0; i < operations; i++ {
		m.of(findAll)
	}
	m.print(count)
}

func runInsertMany(database *mongo.Database, tasks, operations int) {
	inserted := database.Collection("inserted_by_go")
	check(inserted.Drop(context.Background()))
	documents := make([]any, batch)
	for i := range documents {
		documents[i] = bson.D{{Key: "_id", Value: int32(i)}, {Key: "name", Value: "somebody"},
			{Key: "age", Value: int32(i % 90)}, {Key: "city", Value: "Porto"}, {Key: "score", Value: float64(i) / 7}}
	}
	m := newMeasure()
	for i := 0; i < operations; i++ {
		m.of(func() {
			_, err := inserted.InsertMany(context.Background(), documents)
			check(err)
		})
		check(inserted.Drop(context.Background()))
	}
	m.print(operations * batch)
}

func main() {
	tasks, err := strconv.Atoi(os.Args[2])
	check(err)
	operations, err := strconv.Atoi(os.Args[3])
	check(err)
	client, err := mongo.Connect(options.Client().ApplyURI(os.Args[4]))
	check(err)
	cases := map[string]func(*mongo.Database, int, int){"find_one": runFindOne, "gather": runGather,
		"find": runFind, "insert_many": runInsertMany}
	cases[os.Args[1]](client.Database("mouv_bench"), tasks, operations)
}
