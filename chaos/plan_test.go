package chaos

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"
)

// A way is one way in which one part can fail.
type way struct {
	// part is what fails; faults of one part do not overlap.
	part, name string
	// weight is how often it is chosen, beside others; 0 means 1.
	weight int
	// shortest and longest bound how long it lasts; 0 for what is over at once.
	shortest, longest time.Duration
	// all tells that every part fails, so that it overlaps with nothing.
	all bool
	// inject makes it fail and heal makes it work again; heal is nil for what needs none.
	inject, heal func()
}

// A fault is a way at its time.
type fault struct {
	way      *way
	at, heal time.Duration // since the beginning
}

const (
	// faultsAtOnce bounds how many parts fail at the same time.
	faultsAtOnce = 3
	// recovery is what a part is given, after a fault, to become part of things again before its next.
	recovery = 1500 * time.Millisecond
)

// A pause is how much time there is between the beginnings of two faults.
type pause struct{ shortest, longest time.Duration }

// plan chooses the faults. The same arguments make the same plan.
func plan(seed uint64, count int, ways []*way, pause pause) []fault {
	rng := rand.New(rand.NewPCG(seed, 1))
	busy := make(map[string]time.Duration)
	var everything time.Duration
	faults := make([]fault, 0, count)
	// Not before Mosquitto has saved the hub's session: killed earlier, it would acknowledge messages for nobody.
	for at := 3 * time.Second; len(faults) < count; at += between(rng, pause.shortest, pause.longest) {
		running := slices.DeleteFunc(slices.Clone(faults), func(f fault) bool { return f.heal <= at })
		free := slices.DeleteFunc(slices.Clone(ways), func(w *way) bool {
			return at < everything || busy[w.part] > at || w.all && len(running) > 0
		})
		if len(free) == 0 || len(running) >= faultsAtOnce {
			continue
		}
		w := pick(rng, free)
		f := fault{way: w, at: at, heal: at + between(rng, w.shortest, w.longest)}
		busy[w.part] = f.heal + recovery
		if w.all {
			everything = f.heal + recovery
		}
		faults = append(faults, f)
	}
	return faults
}

func between(rng *rand.Rand, low, high time.Duration) time.Duration {
	if high <= low {
		return low
	}
	return low + time.Duration(rng.Int64N(int64(high-low)))
}

func pick(rng *rand.Rand, ways []*way) *way {
	total := 0
	for _, w := range ways {
		total += cmp.Or(w.weight, 1)
	}
	n := rng.IntN(total)
	for _, w := range ways {
		if n -= cmp.Or(w.weight, 1); n < 0 {
			return w
		}
	}
	return ways[len(ways)-1]
}

// A move is the beginning or the end of a fault.
type move struct {
	at    time.Duration
	fault *fault
	heals bool
}

// moves puts beginnings and ends in their order.
func moves(faults []fault) []move {
	var list []move
	for i := range faults {
		f := &faults[i]
		list = append(list, move{f.at, f, false})
		if f.way.heal != nil {
			list = append(list, move{f.heal, f, true})
		}
	}
	slices.SortStableFunc(list, func(a, b move) int { return cmp.Compare(a.at, b.at) })
	return list
}
