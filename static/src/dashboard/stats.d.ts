/** The response of `GET /v1/stats`. Nothing here runs, and no page loads it. */

/** Half of the tasks took at most `p50_s` seconds, nine of ten at most `p90_s`. */
export interface Quantiles {
  p50_s: number;
  p90_s: number;
  samples: number;
}

/** What tasks cost in one unit. */
export interface UnitCost {
  unit: "usd" | "credits";
  total: number;
  p50: number | null;
  p90: number | null;
}

export interface Summary {
  count: number;
  verdicts: { succeeded: number; failed: number; canceled: number; lost: number };
  /** The share of tasks that succeeded of those that were not canceled, from 0 to 1. */
  success_rate: number | null;
  queue: Quantiles | null;
  run: Quantiles | null;
  cost: UnitCost[];
}

export interface DaySummary extends Summary {
  /** As `2026-11-26`, in UTC. */
  date: string;
}

export interface ModelSummary extends Summary {
  provider: string;
  model: string;
  /** Newest first, without the days on which no task ended. */
  per_day: DaySummary[];
  /** They may have been deleted since. */
  slowest: { task: string; run_s: number }[];
  failed: { task: string; ended_at: number }[];
}

export interface Stats {
  days: number;
  models: ModelSummary[];
}
