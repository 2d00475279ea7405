// @ts-check
/** The frame for other people's pages, `/embed/{id}#token=…`: the element and nothing else. */
import { showTask } from "./task-page.js";

showTask(/** @type {HTMLElement} */ (document.getElementById("place")));
