package web_test

import (
	"testing"

	"github.com/margay-access/margay/internal/web/webtest"
)

// Rita asks for Creator; Bo decides on a phone; the page that Rita has open
// reaches Active by itself; she asks for more time, shortens it, and ends it.
func TestAskDecideExtendReduceEnd(t *testing.T) {
	t.Parallel()
	w := webtest.Start(t)
	w.Story()
	rita := w.SignIn(webtest.Requester)
	rita.Audit("home-requester")
	rita.Click("Catalogue")
	rita.See("Ask for Explorer")
	rita.Audit("catalogue")
	rita.Click("Ask for Explorer")
	rita.See("What will happen")
	rita.See("Bo Lindqvist decides.")
	rita.Audit("ask")
	rita.Click("Ask for access")
	rita.See("wants a reason")
	rita.Audit("ask-refused")
	rita.Click("4 h")
	rita.Fill("Reason", "Quarter-end numbers")
	rita.Click("Ask for access")
	rita.See("Waiting for approval")
	rita.See("Waits for Bo Lindqvist.")
	rita.Audit("request-waiting")
	request := rita.Path()

	bo := w.SignIn(webtest.Approver)
	bo.Size(360)
	bo.Open("/approvals")
	bo.See("Quarter-end numbers")
	bo.Audit("approvals")
	bo.Size(360)
	bo.Open("/approvals/" + request[len("/requests/"):])
	bo.See("Your decision")
	bo.Audit("review")
	bo.Size(360)
	bo.Click("Approve request")
	bo.See("You approved the request.")

	rita.See("Active: the other system reports Explorer") // live, without a reload
	rita.Audit("request-active")
	rita.Click("Ask for more time")
	rita.Audit("extend")
	rita.Fill("Reason", "It takes longer")
	rita.Click("Ask for more time")
	rita.See("Rita Okafor asked for more time")
	rita.Open(request)
	rita.Click("Shorten access")
	rita.Audit("reduce")
	rita.Click("1 h")
	rita.Click("Shorten access")
	rita.See("Rita Okafor shortened it")
	rita.Click("End access now")
	rita.See("Explorer")
	rita.Audit("end")
	rita.Click("End access now")
	rita.See("Ended: the other system reports")
	rita.Audit("request-ended")
	rita.Open("/my-access")
	rita.Audit("my-access")
	rita.Open("/requests")
	rita.Audit("requests")
}
