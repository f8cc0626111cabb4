package store

import "time"

// latestBase bounds where a log jumps to by the clock, so that numbers stay below 2^53: microseconds reach it
// in the year 2112.
const latestBase = 1 << 52

// jumpBase returns a number far above the given one, and above all that another copy may have given out since:
// the microseconds since 1970, which no log overtakes. A clock that is wrong by a century is not believed.
func jumpBase(newest int64, now time.Time) int64 {
	const far = 1_000_000
	if us := now.UnixMicro(); us < latestBase {
		return max(newest+far, us)
	}
	return newest + far
}
