"""Process control of one site: start in order, keep running, report, stop without leaving anything behind.

``supervisord`` owns the processes and their logs. Restarts are decided by ``keeper``, one of its event listeners, because
supervisord's own retries end or grow without limit. Every process of a site carries the site's path in its environment, so
that ``down`` finds it even when supervisord is gone.
"""
