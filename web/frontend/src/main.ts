import { createApp } from "vue";

import "uplot/dist/uPlot.min.css";
import "./style/colours.css";
import "./style/base.css";
import "./style/table.css";
import "./style/heatmap.css";
import "./style/trend.css";
import App from "./App.vue";
import { onTheWall } from "./router.ts";

document.documentElement.classList.toggle("wall", onTheWall);
createApp(App).mount("#page");
