/** The width of an element, followed. */

import { type Ref, type ShallowRef, onMounted, onScopeDispose, ref } from "vue";

/** Width of the content of `element`, CSS pixels; 0 until it is shown. */
export function useWidth(element: Readonly<ShallowRef<HTMLElement | null>>): Readonly<Ref<number>> {
  const width = ref(0);
  const observer = new ResizeObserver(([entry]) => {
    if (entry) width.value = entry.contentRect.width;
  });
  onMounted(() => {
    if (element.value) observer.observe(element.value);
  });
  onScopeDispose(() => observer.disconnect());
  return width;
}
