package tableau

// Sharing returns how many calls and holds use the session now.
func (c *Client) Sharing() int {
	c.exchange.mu.Lock()
	defer c.exchange.mu.Unlock()
	return c.exchange.users
}
