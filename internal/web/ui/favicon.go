package ui

// Favicon is the cat's head in ochre.
const Favicon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#a8712a" stroke-width="2" ` +
	`stroke-linecap="round" stroke-linejoin="round"><path d="M4 4.5 8.2 7a9.6 9.6 0 0 1 7.6 0L20 4.5c.6 2.6.5 5.3-.4 7.3.3.8.4 1.6.4 2.4 0 3.7-3.6 6.3-8 6.3` +
	`s-8-2.6-8-6.3c0-.8.1-1.6.4-2.4-.9-2-1-4.7-.4-7.3Z"/><path d="M9 13v.5M15 13v.5M11 16.5h2l-1 1Z"/></svg>`
