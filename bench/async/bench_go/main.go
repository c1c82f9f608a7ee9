// The same work with goroutines on one thread at a time, as a loop has one: bench_go CASE.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"
)

const (
	spawns     = 100000
	yields     = 100000
	gathered   = 10000
	roundTrips = 50000
	asleep     = 100000
)

//go:noinline
func nothing() int { return 0 }

func each(began time.Time, count int) float64 {
	return float64(time.Since(began).Nanoseconds()) / float64(count)
}

func spawnAwait() float64 {
	began := time.Now()
	for i := 0; i < spawns; i++ {
		done := make(chan int, 1)
		go func() { done <- nothing() }()
		<-done
	}
	return each(began, spawns)
}

func call() float64 {
	began := time.Now()
	for i := 0; i < 100*spawns; i++ {
		nothing()
	}
	return each(began, 100*spawns)
}

func yield() float64 {
	var both sync.WaitGroup
	began := time.Now()
	for i := 0; i < 2; i++ {
		both.Add(1)
		go func() {
			defer both.Done()
			for k := 0; k < yields; k++ {
				runtime.Gosched()
			}
		}()
	}
	both.Wait()
	return each(began, 2*yields)
}

func gather() float64 {
	var all sync.WaitGroup
	results := make([]int, gathered)
	began := time.Now()
	for i := range results {
		all.Add(1)
		go func(i int) {
			results[i] = nothing()
			all.Done()
		}(i)
	}
	all.Wait()
	return each(began, gathered)
}

func queue() float64 {
	there, back := make(chan int, 1), make(chan int, 1)
	go func() {
		for i := 0; i < roundTrips; i++ {
			back <- <-there
		}
	}()
	began := time.Now()
	for i := 0; i < roundTrips; i++ {
		there <- i
		<-back
	}
	return each(began, roundTrips)
}

func residentBytes() float64 {
	var size, resident int
	text, _ := os.ReadFile("/proc/self/statm")
	fmt.Sscan(strings.TrimSpace(string(text)), &size, &resident)
	return float64(resident) * float64(os.Getpagesize())
}

func storm(bytes bool) float64 {
	var started, ended sync.WaitGroup
	started.Add(asleep)
	ended.Add(asleep)
	before, began := residentBytes(), time.Now()
	for i := 0; i < asleep; i++ {
		go func() {
			started.Done()
			time.Sleep(time.Second)
			ended.Done()
		}()
	}
	started.Wait()
	took, size := each(began, asleep), (residentBytes()-before)/asleep
	ended.Wait()
	if bytes {
		return size
	}
	return took
}

func main() {
	runtime.GOMAXPROCS(1)
	cases := map[string]struct {
		round  func() float64
		rounds int
	}{
		"spawn_await": {spawnAwait, 7},
		"call":        {call, 7},
		"yield":       {yield, 7},
		"gather":      {gather, 15},
		"queue":       {queue, 7},
		"storm_bytes": {func() float64 { return storm(true) }, 1},
		"storm_start": {func() float64 { return storm(false) }, 1},
	}
	if len(os.Args) != 2 || cases[os.Args[1]].round == nil {
		fmt.Fprintln(os.Stderr, "usage: bench_go CASE")
		os.Exit(2)
	}
	chosen := cases[os.Args[1]]
	best := chosen.round()
	for i := 1; i < chosen.rounds; i++ {
		if took := chosen.round(); took < best {
			best = took
		}
	}
	fmt.Printf("%.1f\n", best)
}
