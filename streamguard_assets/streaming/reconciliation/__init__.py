"""The proof that live rows and windows say the same, and the removal of live rows that were proven."""
