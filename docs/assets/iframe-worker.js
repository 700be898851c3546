/* Browsers start no worker on a page from the disk, and the search is one: there an invisible frame does its work. */
if (location.protocol === "file:")
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      this.frame = document.createElement("iframe")
      this.frame.hidden = true
      document.body.append(this.frame)
      const inside = this.frame.contentWindow
      this.ready = new Promise((resolve) => (inside.begun = resolve))
      inside.answer = (data) => {
        const event = new MessageEvent("message", { data })
        this.dispatchEvent(event)
        if (this.onmessage) this.onmessage(event)
      }
      /* What a worker has and a page has not: a postMessage to its owner, and scripts that are imported in turn. */
      inside.document.open()
      inside.document.write(`<!doctype html><body><script>
        postMessage = (data) => answer(data)
        importScripts = (...urls) =>
          urls.reduce((before, url) => before.then(() => new Promise((resolve, reject) => {
            const script = document.createElement("script")
            Object.assign(script, { src: url, onload: resolve, onerror: reject })
            document.body.append(script)
          })), Promise.resolve())
      <\/script><script src="${new URL(url, document.baseURI)}" onload="begun()"><\/script>`)
      inside.document.close()
    }

    postMessage(data) {
      this.ready.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })))
    }

    terminate() {
      this.frame.remove()
    }
  }
