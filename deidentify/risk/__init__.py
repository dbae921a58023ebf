"""Re-identification risk of a table, computed: the measures, estimates and attacks, and the report made of them."""
