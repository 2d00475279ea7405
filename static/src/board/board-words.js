// @ts-check
/** The texts of <relay-board>. */
import { addWords } from "../element/words.js";

export const BOARD_WORDS = {
  "board.empty": "No tasks yet",
  "board.all": "← All tasks",
  "board.refused": "These tasks cannot be shown",
  "board.tasks": "Tasks",
};

addWords(BOARD_WORDS);
