"""Steering: the buttons of a job's page, the pages behind them, and bulk actions."""
