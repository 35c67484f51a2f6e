(()=>{"use strict";if(window.cartTracker)return;const NAME="cart_tracker";const tag=document.currentScript;const url=new URL("items",tag.src).href;let allowed=tag.dataset.consent!=="required";let unkept="";function cookies(change){try{if(change)document.cookie=change;return document.cookie;}catch{return"";}}
function cart(){return(cookies().match(/(?:^|; )cart_tracker=([\da-f-]{36})/i)||[0,unkept])[1];}
function keep(id){unkept="";cookies(NAME+"="+id+"; Path=/; SameSite=Lax; Max-Age="+(id&&allowed?31536000:0)+
(location.protocol==="https:"?"; Secure":""));if(cart()!==id)unkept=id;return id;}
function newId(){const time=Date.now().toString(16).padStart(12,"0");const rest="-7000-8000-000000000000".replace(/[08]/g,(digit)=>(digit^(crypto.getRandomValues(new Uint8Array(1))[0]&(15>>(digit/4)))).toString(16));return time.slice(0,8)+"-"+time.slice(8)+rest;}
const waiting={};const memory={};let disk={};try{disk=localStorage||disk;}catch{}
function write(key,text){try{(allowed?disk:memory)[key]=text;}catch{memory[key]=text;}}
function read(key){return memory[key]||disk[key];}
function keys(){return[...Object.keys(memory),...Object.keys(disk)].filter((key)=>key.startsWith(NAME+".")&&read(key)[0]==="{").sort();}
function finish(key,ok,answer){if(waiting[key])waiting[key]([ok,answer]);else write(key,JSON.stringify([ok,answer]));delete memory[key];delete disk[key];}
function enqueue(entry){const promise=new Promise((resolve,reject)=>{const text=JSON.stringify(entry());const queue=keys();if(text[2]&&queue.length>99)throw Error("cart-tracker: 100 adds are waiting");const after=+(queue.pop()||"").slice(13,26)+1;const key=NAME+"."+Math.max(Date.now(),after)+Math.random();waiting[key]=([ok,answer])=>ok?resolve(answer.cart_id):reject(Object.assign(Error(answer.detail),answer));write(key,text);});promise.catch(()=>{});run();return promise;}
let turn=Promise.resolve();let delay=1e3;let sending,timer;function limit(ms){const control=new AbortController();setTimeout(()=>control.abort(),ms);return control.signal;}
function post(text,signal){return fetch(text[2]?url:url+"/reset",{method:"POST",body:text,credentials:"include",keepalive:text.length<2e4,signal,});}
async function send(){while(allowed&&!timer&&(sending=keys()[0])){const key=sending;const text=read(key);let response={status:500};let answer;try{response=await post(text,limit(3e4));answer=await response.json();}catch{}
if(/408|429|5../.test(response.status)){timer=setTimeout(retry,delay*(0.5+Math.random()));delay=Math.min(delay*2,6e4);break;}
delay=1e3;const id=JSON.parse(text).cart_id;answer={status:response.status,cart_id:id,...answer};if(response.ok&&cart()===id)keep(answer.cart_id);finish(key,response.ok,answer);}
sending=0;}
function run(){turn=turn.then(()=>navigator.locks.request(NAME,{signal:limit(4e4)},send)).catch(send);}
function retry(){clearTimeout(timer);timer=0;run();}
function flush(){const last={};for(const key of allowed?keys():[]){const add=JSON.parse(read(key));const same=add.cart_id+add.product_id;if(!add.cart_id||(waiting[key]&&key!==sending))last[same]={...last[same],...add};if(!add.cart_id)break;}
for(const same in last)post(JSON.stringify(last[same])).catch(()=>{});}
addEventListener("pagehide",flush);addEventListener("pageshow",retry);addEventListener("online",retry);addEventListener("storage",({key,newValue})=>{if(newValue&&waiting[key])waiting[key](JSON.parse(newValue));});run();window.cartTracker={add:(item)=>enqueue(()=>({...item,cart_id:cart()||keep(newId())})),reset(){const promise=enqueue(()=>({}));keep("");return promise;},code:()=>cart().slice(-8),consent(given){if(given){allowed=true;if(cart()===unkept)keep(unkept);for(const key in memory){const text=read(key);delete memory[key];write(key,text);}
run();}else{const known=cart()!==unkept;for(const key of keys())finish(key,false,{detail:"cart-tracker: no consent"});allowed=false;keep("");if(known)turn=turn.then(()=>post("{}")).catch(()=>{});}},};})();