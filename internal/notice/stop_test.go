package notice_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/notice"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// deaf is a mail server that never answers.
type deaf struct{ heard chan struct{} }

func (d deaf) Send(context.Context, notice.Message) error {
	d.heard <- struct{}{}
	select {}
}

// A stop does not wait for receivers that do not answer: the attempts are cut
// off, do not count, and are made again after the start.
func TestStopDoesNotWaitForReceivers(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		mail := deaf{make(chan struct{}, 9)}
		w.cfg.Mail, w.cfg.Finishing = mail, time.Millisecond
		first := notice.NewService(w.cfg)
		hook, _ := w.webhook("request.created")
		heard := make(chan struct{}, 9)
		w.hook.answers(func(_ http.ResponseWriter, r *http.Request) {
			heard <- struct{}{}
			<-r.Context().Done()
		})
		w.file(w.role(bo), time.Hour)
		_, err := first.Plan(t.Context())
		w.must(err)

		ctx, stop := context.WithCancel(t.Context())
		var under sync.WaitGroup
		w.must(first.Deliver(ctx, &under))
		<-heard
		<-mail.heard
		stop()
		under.Wait() // the test ends only if this does

		for _, queue := range []string{hook.ID, notice.Mail} {
			var left []notice.Delivery
			w.must(db.ViewNotices(t.Context(), func(r notice.Reader) (err error) {
				left, err = r.Deliveries(t.Context(), notice.DeliveryFilter{Queue: queue})
				return err
			}))
			if len(left) != 1 {
				t.Errorf("%s: %d deliveries", queue, len(left))
			}
			for _, d := range left {
				if d.State != notice.Waiting || d.Attempts != 0 || len(d.Tries) != 0 || d.NextAt.After(w.clock()) {
					t.Errorf("%s: %+v", queue, d)
				}
			}
		}
		w.hook.answers(nil)
		w.hook.take()
		w.turn() // as the next start does
		if got := w.hook.take(); len(got) != 1 {
			t.Errorf("%d posted after the start", len(got))
		}
		if got := w.mail.take(); len(got) != 1 {
			t.Errorf("%q mailed after the start", got)
		}
	})
}
