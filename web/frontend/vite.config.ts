import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vite";

// The page asks for nothing but files beside it: relative addresses, so that it works below any path of a proxy; no data: URLs and
// no inline script, so that it works under a strict content security policy.
export default defineConfig({
  base: "./",
  plugins: [vue()],
  // What Vue would otherwise decide at run time; the parser of templates stays out.
  define: { __VUE_OPTIONS_API__: "false", __VUE_PROD_DEVTOOLS__: "false", __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "false" },
  build: {
    outDir: "../page",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: { "/api": "http://127.0.0.1:8080" } },
});
