package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/margay-access/margay/internal/fault"
)

// ms returns t as it is kept: milliseconds since 1970, 0 for none.
func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// at returns the time that ms keeps.
func at(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// text returns v as JSON text. What is kept so is plain data, which always
// marshals.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("store: %T does not marshal: %v", v, err))
	}
	return string(b)
}

// parse reads JSON text of a row.
func parse[T any](what, text string) (T, error) {
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return v, fmt.Errorf("read %s of a row: %w", what, err)
	}
	return v, nil
}

// missing turns "no such row" into a fault that names the thing.
func missing(err error, what, id string) error {
	if errors.Is(err, sql.ErrNoRows) || !keepable(id) {
		return fault.New(fault.NotFound, "There is no %s %s.", what, id).WithCode(what + "_missing")
	}
	return wrap("read "+what+" "+id, err)
}

// keepable says whether texts can stand in a row or a query at all: neither
// database takes a NUL, and PostgreSQL nothing that is not UTF-8. What a caller
// names so is not there.
func keepable(texts ...string) bool {
	return !slices.ContainsFunc(texts, func(s string) bool { return strings.ContainsRune(s, 0) || !utf8.ValidString(s) })
}

func texts[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return out
}

// taken turns "there is such a row" into a fault with a sentence.
func taken(err error, act, format string, args ...any) error {
	if duplicate(err) {
		return fault.New(fault.Conflict, format, args...).WithCode("exists").Because(err)
	}
	return wrap(act, err)
}

// each turns rows into what they keep.
func each[R, T any](rows []R, of func(R) (T, error)) ([]T, error) {
	list := make([]T, 0, len(rows))
	for _, r := range rows {
		v, err := of(r)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}
