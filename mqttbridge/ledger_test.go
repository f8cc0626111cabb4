package mqttbridge

import (
	"fmt"
	"slices"
	"testing"
)

// line is a source whose answers arrive up to a fence.
type line struct{ arrived uint64 }

func (l *line) acknowledge([]delivery) uint64 { return 0 }
func (l *line) confirmed(fence uint64) bool   { return fence <= l.arrived }

func (l *ledger) marks() (marks []mark) {
	for _, e := range l.entries {
		marks = append(marks, e.mark)
	}
	return marks
}

func wantMarks(t *testing.T, l *ledger, want ...mark) {
	t.Helper()
	if got := l.marks(); !slices.Equal(got, want) || len(l.byMark) != len(want) {
		t.Errorf("the ledger has %v, want %v", got, want)
	}
}

func TestADeliveryIsForgottenWhenItsAnswerHasArrived(t *testing.T) {
	l, c := newLedger(10, 0), new(line)
	for m := range mark(4) {
		l.add(m)
		l.answered(m, c, uint64(m)+1)
	}
	l.add(9) // not answered yet
	c.arrived = 2
	l.prune()
	wantMarks(t, l, 2, 3, 9)
	c.arrived = 4
	l.prune()
	wantMarks(t, l, 9)
}

func TestARepeatedDeliveryStaysUntilItsNewAnswerHasArrived(t *testing.T) {
	l, lost, next := newLedger(10, 0), new(line), new(line)
	l.add(1)
	l.answered(1, lost, 5)
	l.answered(1, next, 1)
	lost.arrived = 9
	l.prune()
	wantMarks(t, l, 1)
	next.arrived = 1
	l.prune()
	wantMarks(t, l)
}

func TestDeliveriesOfOlderConnectionsAreForgottenAfterNews(t *testing.T) {
	l, lost, next := newLedger(10, 3), new(line), new(line)
	l.load(func() []byte { l := newLedger(10, 0); l.add(1); return l.bytes() }())
	for m := mark(2); m < 5; m++ {
		l.fresh(lost)
		l.add(m)
		l.answered(m, lost, 1)
	}
	wantMarks(t, l, 2, 3, 4)
	l.fresh(next)
	l.add(5)
	l.answered(5, next, 1)
	l.fresh(next)
	wantMarks(t, l, 2, 3, 4, 5)
	l.fresh(next)
	wantMarks(t, l, 5)
}

func TestTheLedgerIsBounded(t *testing.T) {
	l, c := newLedger(3, 0), new(line)
	for m := range mark(5) {
		l.add(m)
		l.answered(m, c, uint64(m)+1)
	}
	l.prune()
	wantMarks(t, l, 2, 3, 4)
}

func TestAnIdentifierThatIsUsedAgainIsADeliveryOfItsOwn(t *testing.T) {
	l, c := newLedger(3, 0), &line{arrived: 9}
	l.add(1)
	l.answered(1, c, 1)
	l.add(1)
	l.prune()
	wantMarks(t, l, 1)
	l.answered(1, c, 2)
	l.prune()
	wantMarks(t, l)
}

func TestTheLedgerSurvivesARestart(t *testing.T) {
	l := newLedger(10, 0)
	for m := range mark(5) {
		l.add(m)
	}
	next := newLedger(3, 0)
	next.load(append(l.bytes(), 1, 2, 3))
	wantMarks(t, next, 2, 3, 4)
	if !next.has(4) || next.has(0) {
		t.Error("a delivery is not recognised")
	}
	next.clear()
	wantMarks(t, next)
}

func TestNoTwoLedgersAreWrittenAlike(t *testing.T) {
	a, b := newLedger(10, 0), newLedger(10, 0)
	a.add(1)
	b.add(1)
	seen := make(map[string]bool)
	for _, l := range []*ledger{a, b, a, newLedger(10, 0), newLedger(10, 0)} {
		seen[string(l.bytes())] = true
	}
	if len(seen) != 5 {
		t.Errorf("5 ledgers were written as %d", len(seen))
	}
}

func TestALedgerThatIsNoneIsEmpty(t *testing.T) {
	for _, b := range [][]byte{nil, {}, {1, 2, 3}, make([]byte, 8), make([]byte, 15)} {
		l := newLedger(10, 0)
		l.load(b)
		wantMarks(t, l)
	}
}

func TestMarksTellDeliveriesApart(t *testing.T) {
	seen := make(map[mark]string)
	for _, d := range []struct {
		sender  string
		packet  uint16
		topic   string
		payload string
	}{{"", 1, "a", "b"}, {"", 2, "a", "b"}, {"", 1, "ab", ""}, {"", 1, "", "ab"}, {"a", 1, "b", ""}, {"a", 1, "", "b"}} {
		m := newMark(d.sender, d.packet, d.topic, []byte(d.payload))
		if other, ok := seen[m]; ok {
			t.Errorf("%v and %v have the same mark", d, other)
		}
		seen[m] = fmt.Sprint(d)
		if m != newMark(d.sender, d.packet, d.topic, []byte(d.payload)) {
			t.Errorf("%v has two marks", d)
		}
	}
}
