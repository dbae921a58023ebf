"""What was not observed: its pattern, multiple imputation, and how far a result leans on the assumption."""
