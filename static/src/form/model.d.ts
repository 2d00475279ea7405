/** A model as `GET /v1/models` describes it. Nothing here runs, and no page loads it. */

export interface Limits {
  minimum?: number;
  maximum?: number;
  integer?: boolean;
  max_length?: number;
  max_items?: number;
}

export interface ModelInput {
  name: string;
  label: string;
  help: string;
  /** The platform's name for the control: text, textarea, select, number, combinefileinput, and others. */
  type: string;
  required: boolean;
  /** The value that is sent if none is given. */
  default: string | number | null;
  options: { value: string; label: string }[];
  /** The name of the form part that carries its files; null if it takes none. */
  part: string | null;
  /** The content types of its files; empty allows any. */
  accept: readonly string[];
  limits: Limits;
}

/** What earlier runs took and cost: half of them at most `p50`, nine of ten at most `p90`. */
export interface Usual {
  p50_s: number;
  p90_s: number;
  /** The number of runs. */
  samples: number;
  cost: { p50: number; p90: number; unit: string } | null;
}

export interface Model {
  /** `owner/name` */
  model: string;
  provider: string;
  available: boolean;
  title: string;
  description: string;
  inputs: ModelInput[];
  /** Sample inputs. */
  inspires: Record<string, unknown>[];
  /** Null if nothing is known. A list of models does not have it. */
  usual?: Usual | null;
}
