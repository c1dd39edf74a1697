"""What the browser of a customer gets: one page, one script, one style sheet. No build step, nothing from elsewhere."""
