// @ts-check
/** The texts of <relay-form>. */
import { addWords } from "../element/words.js";

export const FORM_WORDS = {
  "form.start": "Start",
  "form.loading": "Loading the form…",
  "form.uploading": "Uploading files: {percent} %",
  "form.checking": "Uploaded. The relay is checking the files.",
  "form.wrong": "The task was not started. Correct the marked inputs.",
};

addWords(FORM_WORDS);
